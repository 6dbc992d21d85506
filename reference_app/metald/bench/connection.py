"""One kept connection that speaks HTTP/1.1, lean enough that what is measured is the server."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

_LONGEST_LINE = 65536


class ConnectionFailed(Exception):
    """No connection, or no whole answer; the message says why."""


class Answer(NamedTuple):
    """An answer: its status, the headers that matter here (in lower case), and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Target:
    """A server: where it is, and how TLS with it is checked. Raises ``ValueError`` for what is no http(s) URL."""

    def __init__(self, url: str, *, cacert: str | None = None, insecure: bool = False, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(
                f"{url!r} is no URL of an API: give http://HOST:PORT or https://HOST:PORT, without a name or password"
            )
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.timeout = timeout
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=cacert)
            if insecure:
                self.tls.check_hostname = False
                self.tls.verify_mode = ssl.CERT_NONE

    def show(self, certificate: str, key: str) -> None:
        """Show a certificate, in a PEM file, to whoever asks for one. Raises ``ValueError`` where no TLS is spoken."""
        if self.tls is None:
            raise ValueError(f"{self.url}: a certificate is shown over https only")
        self.tls.load_cert_chain(certificate, key)

    @property
    def netloc(self) -> str:
        """What the ``Host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Connection:
    """A connection of one thread, opened when it is first used and again after it was lost."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._reader: BinaryIO | None = None

    def request(self, method: str, path: str, headers: str, body: bytes) -> Answer:
        """Send one request and read the whole answer; *headers* are whole lines. Raises :class:`ConnectionFailed`."""
        fresh = self._socket is None
        head = f"{method} {self._target.prefix}{path} HTTP/1.1\r\nHost: {self._target.netloc}\r\n{headers}"
        if body or method in ("POST", "PUT", "PATCH"):
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        data = head.encode("latin-1") + b"\r\n" + body
        try:
            return self._exchanged(method, data)
        except _Stale:
            # A server may close what it has kept at any time: nothing of the request was heard.
            if fresh:
                raise ConnectionFailed("the server closed the connection without an answer") from None
        except (OSError, ValueError) as exc:
            self.close()
            raise ConnectionFailed(str(exc) or type(exc).__name__) from exc
        try:
            return self._exchanged(method, data)
        except (OSError, ValueError, _Stale) as exc:
            self.close()
            raise ConnectionFailed(str(exc) or type(exc).__name__) from exc

    def close(self) -> None:
        """Close it; the next request opens another one."""
        for one in (self._reader, self._socket):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.close()
        self._reader = self._socket = None

    def _exchanged(self, method: str, data: bytes) -> Answer:
        if self._socket is None:
            self._open()
        assert self._socket is not None and self._reader is not None
        try:
            self._socket.sendall(data)
            first = self._reader.readline(_LONGEST_LINE)
        except (BrokenPipeError, ConnectionResetError):
            first = b""
        if not first:
            self.close()
            raise _Stale
        return self._read(method, first, self._reader)

    def _open(self) -> None:
        sock = socket.create_connection((self._target.host, self._target.port), self._target.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._target.tls is not None:
            sock = self._target.tls.wrap_socket(sock, server_hostname=self._target.host)
        self._socket, self._reader = sock, sock.makefile("rb")

    def _read(self, method: str, first: bytes, reader: BinaryIO) -> Answer:
        status = int(first.split(None, 2)[1])
        headers: dict[str, str] = {}
        while (line := reader.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b"" if method == "HEAD" or status in (204, 304) else self._body(headers, reader)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _body(self, headers: dict[str, str], reader: BinaryIO) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(reader)
        if "content-length" not in headers:
            body = reader.read()
            self.close()
            return body
        length = int(headers["content-length"])
        body = reader.read(length)
        if len(body) != length:
            raise ConnectionResetError("the answer broke off")
        return body

    def _chunks(self, reader: BinaryIO) -> bytes:
        parts = []
        while (size := int(reader.readline(_LONGEST_LINE).partition(b";")[0], 16)) > 0:
            parts.append(reader.read(size))
            reader.readline(_LONGEST_LINE)
        while reader.readline(_LONGEST_LINE) not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(parts)


class _Stale(Exception):
    """The server has closed a connection that it had kept."""
