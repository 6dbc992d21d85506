"""HTTP/1.1 connection of the bench client.

The bench client must cost less than the server that it measures. So this connection checks no header, enforces no deadline
over the whole request, and needs no lock, unlike ``HTTPSession`` of the contract.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import BinaryIO, NamedTuple

from baremetal_interfaces.addresses import format_netloc, get_host_port, split_url

_MAX_LINE_BYTES = 65536


class ConnectionFailed(Exception):
    """Error raised when the connection failed or the response is incomplete. Its text has the reason."""


class BenchResponse(NamedTuple):
    """A complete HTTP response: status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class ServerAddress:
    """Address and TLS settings of a server under test. *timeout* bounds each socket operation, in seconds.

    *insecure* disables the check of the server's certificate. Raises ValueError if *url* is not an HTTP or HTTPS URL.
    """

    def __init__(self, url: str, *, cacert: str | None = None, insecure: bool = False, timeout: float = 60.0) -> None:
        parts = split_url(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(
                f"{url!r} is not the URL of an API: use http://HOST:PORT or https://HOST:PORT, without a user name or password"
            )
        self.url = url.rstrip("/")
        self.host, port = get_host_port(parts)
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.timeout = timeout
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=cacert)
            if insecure:
                self.tls.check_hostname = False
                self.tls.verify_mode = ssl.CERT_NONE

    def load_certificate(self, certificate: str, key: str) -> None:
        """Load the client certificate and its private key from PEM files; raise ValueError if the URL is not HTTPS."""
        if self.tls is None:
            raise ValueError(f"{self.url}: a client certificate needs TLS; use an https URL")
        self.tls.load_cert_chain(certificate, key)

    @property
    def netloc(self) -> str:
        """Host and port, as the ``Host`` header holds them."""
        return format_netloc(self.host, self.port)


class BenchConnection:
    """A keep-alive connection to a server under test. It opens at the first request and again after a loss. Not thread-safe."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._reader: BinaryIO | None = None

    def request(self, method: str, path: str, headers: str, body: bytes) -> BenchResponse:
        """Send one request and return the complete response. *headers* are header lines with their line ends.

        If the server has closed the idle connection, the request is sent again once over a new connection. Raises
        :class:`ConnectionFailed`.
        """
        is_new = self._socket is None
        head = f"{method} {self._address.prefix}{path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n{headers}"
        if body or method in ("POST", "PUT", "PATCH"):
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        data = head.encode("latin-1") + b"\r\n" + body
        try:
            return self._exchange(method, data)
        except _StaleConnection:
            # A server may close an idle connection at any time. It has not processed the request then, so a retry is safe.
            if is_new:
                raise ConnectionFailed("the server closed the connection without a response") from None
        except (OSError, ValueError) as exc:
            self.close()
            raise ConnectionFailed(str(exc) or type(exc).__name__) from exc
        try:
            return self._exchange(method, data)
        except (OSError, ValueError, _StaleConnection) as exc:
            self.close()
            raise ConnectionFailed(str(exc) or type(exc).__name__) from exc

    def close(self) -> None:
        """Close the connection. The next request opens a new one."""
        for resource in (self._reader, self._socket):
            if resource is not None:
                with contextlib.suppress(OSError):
                    resource.close()
        self._reader = self._socket = None

    def _exchange(self, method: str, data: bytes) -> BenchResponse:
        """Send *data* and read the response; open the connection first if necessary.

        Raises _StaleConnection if the server closed the connection before the response.
        """
        if self._socket is None:
            self._open()
        assert self._socket is not None and self._reader is not None
        try:
            self._socket.sendall(data)
            status_line = self._reader.readline(_MAX_LINE_BYTES)
        except (BrokenPipeError, ConnectionResetError):
            status_line = b""
        if not status_line:
            self.close()
            raise _StaleConnection
        return self._read_response(method, status_line, self._reader)

    def _open(self) -> None:
        sock = socket.create_connection((self._address.host, self._address.port), self._address.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._address.tls is not None:
            sock = self._address.tls.wrap_socket(sock, server_hostname=self._address.host)
        self._socket, self._reader = sock, sock.makefile("rb")

    def _read_response(self, method: str, status_line: bytes, reader: BinaryIO) -> BenchResponse:
        status = int(status_line.split(None, 2)[1])
        headers: dict[str, str] = {}
        while (line := reader.readline(_MAX_LINE_BYTES)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b"" if method == "HEAD" or status in (204, 304) else self._read_body(headers, reader)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return BenchResponse(status, headers, body)

    def _read_body(self, headers: dict[str, str], reader: BinaryIO) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks(reader)
        if "content-length" not in headers:
            # Without a length, the end of the connection is the end of the body (RFC 9112, section 6.3).
            body = reader.read()
            self.close()
            return body
        length = int(headers["content-length"])
        body = reader.read(length)
        if len(body) != length:
            raise ConnectionResetError("the server closed the connection in the middle of the response")
        return body

    def _read_chunks(self, reader: BinaryIO) -> bytes:
        chunks = []
        while (size := int(reader.readline(_MAX_LINE_BYTES).partition(b";")[0], 16)) > 0:
            chunks.append(reader.read(size))
            reader.readline(_MAX_LINE_BYTES)
        # The trailer section ends with an empty line; its fields are ignored.
        while reader.readline(_MAX_LINE_BYTES) not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(chunks)


class _StaleConnection(Exception):
    """Error raised when the server closed the connection before the first byte of a response."""
