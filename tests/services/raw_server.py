"""A TCP server of which each connection is answered by a function: for peers that misbehave."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Self

Script = Callable[[socket.socket], object]
"""Talks to one client. It ends when the client is gone or :meth:`RawServer.released` is set; then the socket is closed."""


class RawServer:
    """Runs one script for each connection, in order; the last one goes on serving. It listens on a free port of 127.0.0.1."""

    def __init__(self, *scripts: Script, certificate: tuple[str, str] | None = None) -> None:
        self._scripts = scripts
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.released = threading.Event()
        """Set when the server stops; scripts that hold a connection open wait for it."""

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client, script), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, client: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError), client:
            if self._tls is None:
                script(client)
                return
            with self._tls.wrap_socket(client, server_side=True) as secured:
                script(secured)


def read_request(client: socket.socket) -> bytes:
    """Read one request with its body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        piece = client.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer with its length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def answering(*answers: bytes) -> Script:
    """Answers one request after the other on a kept connection, the last answer for good."""

    def script(client: socket.socket) -> None:
        number = 0
        while read_request(client):
            client.sendall(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def documents(answers: Mapping[str, bytes], requests: list[bytes] | None = None) -> Script:
    """Answers each request by its path, and 404 where there is none; what was asked is appended to *requests*."""

    def script(client: socket.socket) -> None:
        while request := read_request(client):
            if requests is not None:
                requests.append(request)
            client.sendall(answers.get(request.split()[1].decode(), answer(status="404 Not Found")))

    return script


def once(data: bytes) -> Script:
    """Answers one request and closes the connection."""

    def script(client: socket.socket) -> None:
        read_request(client)
        client.sendall(data)

    return script
