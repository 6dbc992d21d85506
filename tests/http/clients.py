"""Clients by the dozen: those that are slow or say nothing, and a polite one whose waiting is measured."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence

from baremetal_sdk.http import HTTPServer
from tests.http.sockets import PATIENCE

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
"""The beginning of a TLS handshake."""


def trusting_context() -> ssl.SSLContext:
    """TLS for a client that believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(server: HTTPServer) -> socket.socket:
    """A connection without TLS."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def connect_securely(server: HTTPServer, context: ssl.SSLContext | None = None) -> socket.socket:
    """A connection with TLS where the server speaks it."""
    sock = connect(server)
    return (context or trusting_context()).wrap_socket(sock) if server.url.startswith("https") else sock


def receive(sock: socket.socket) -> bytes:
    """One answer that has a length."""
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if found and lengths and len(body) >= lengths[0]:
            return received
        data = sock.recv(65536)
        if not data:
            return received
        received += data


def waits(server: HTTPServer, count: int, path: str = "/polite") -> list[float]:
    """Seconds that each of *count* requests took, over a new connection each; it raises where one is not answered."""
    found = []
    context = trusting_context()
    for _ in range(count):
        began = time.monotonic()
        with connect_securely(server, context) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = receive(sock)
        found.append(time.monotonic() - began)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"a polite client got {answer[:100]!r}")
    return sorted(found)


class Dripping:
    """Sends *content* over all of *sockets*, a byte each at a time, until it is left; whoever was closed is forgotten."""

    def __init__(self, sockets: Sequence[socket.socket], content: bytes, every: float) -> None:
        self._sockets, self._content, self._every = list(sockets), content, every
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join(PATIENCE)

    def _drip(self) -> None:
        for byte in self._content:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.send(bytes([byte]))
            if self._left.wait(self._every):
                return
