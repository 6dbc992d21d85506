"""A Redfish BMC that is correct until it becomes hostile: a proxy in front of a simulated BMC."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_MAX_HEAD_BYTES = 65_536
_HOP_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


@dataclass
class Exchange:
    """One request, and the right response to it. A behavior sends something else."""

    connection: socket.socket
    chance: random.Random
    method: str
    path: str
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    other_port: int = 0
    """Port of a server that must not get credentials."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.connection.sendall(data)

    def answer(self, body: bytes | None = None, status: int | None = None, *headers: tuple[str, str]) -> None:
        """Send a well-formed response: the right one, with the given changes."""
        content = self.body if body is None else body
        given = {name.lower() for name, _ in headers}
        lines = [f"HTTP/1.1 {self.status if status is None else status} Answer", f"Content-Length: {len(content)}"]
        kept = [(name, value) for name, value in self.headers if name.lower() not in given | _HOP_HEADERS]
        lines += [f"{name}: {value}" for name, value in (*kept, *headers)]
        self.send("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + content)


Behavior = Callable[[Exchange], None]
"""Function that answers one request in a hostile way. Afterwards the connection is closed."""


class HostileBMC:
    """Proxy to the simulated BMC at *upstream_port*. While :attr:`is_hostile` is set, *behavior* answers the requests.

    With *tls*, it speaks HTTPS. A behavior of the handshake gets the raw connection: see *before_tls*.
    """

    def __init__(
        self,
        upstream_port: int,
        behavior: Behavior,
        *,
        seed: str,
        other_port: int = 0,
        tls: ssl.SSLContext | None = None,
        before_tls: Behavior | None = None,
    ) -> None:
        self.is_hostile = threading.Event()
        self.requests = 0
        """Number of requests that were answered in the hostile way."""
        self._upstream_port = upstream_port
        self._behavior = behavior
        self._seed = seed
        self._other_port = other_port
        self._tls = tls
        self._before_tls = before_tls
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        scheme = "http" if tls is None and before_tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="hostile-bmc", daemon=True).start()

    def stop(self) -> None:
        """Close the listener and end endless answers."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="hostile-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), connection:
            connection.settimeout(60.0)
            if self._before_tls is not None:
                self.requests += 1
                return self._before_tls(self._build_exchange(connection, "CONNECT", ""))
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while self._serve_request(connection):
                    pass
        return None

    def _build_exchange(self, connection: socket.socket, method: str, path: str) -> Exchange:
        chance = random.Random(f"{self._seed}-{method}-{path}-{self.requests}")
        return Exchange(connection, chance, method, path, other_port=self._other_port, stopping=self._stopping)

    def _serve_request(self, connection: socket.socket) -> bool:
        """Answer one request. Return True if the connection stays open."""
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65_536)
            if not data or len(received) > _MAX_HEAD_BYTES:
                return False
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        length = int({name.lower(): value for name, value in headers.items()}.get("content-length", "0"))
        while len(body) < length and (data := connection.recv(65_536)):
            body += data
        exchange = self._build_exchange(connection, method, path)
        self._forward(exchange, headers, body)
        if self.is_hostile.is_set():
            self.requests += 1
            self._behavior(exchange)
            return False
        exchange.answer()
        return True

    def _forward(self, exchange: Exchange, headers: dict[str, str], body: bytes) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream_port, timeout=10.0)
        try:
            upstream.request(exchange.method, exchange.path, body or None, headers)
            response = upstream.getresponse()
            exchange.status, exchange.headers, exchange.body = response.status, response.getheaders(), response.read()
        finally:
            upstream.close()


class CredentialTrap:
    """A server that records whether a request contains credentials. Only a client that follows a redirect reaches it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.caught = 0
        """Number of requests with credentials."""
        threading.Thread(target=self._accept, name="credential-trap", daemon=True).start()

    def close(self) -> None:
        """Close the listener."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(1.0)
                data = connection.recv(65_536).lower()
                self.caught += b"authorization:" in data or b"x-auth-token:" in data or b"password" in data
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
