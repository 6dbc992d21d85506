"""A server around a small application, and clients that speak to it byte by byte."""

from __future__ import annotations

import dataclasses
import itertools
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import testtools

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer

PATIENCE = 10.0
"""Seconds after which a test gives up on something that has to happen at once."""


class SmallApplication:
    """Answers with what it read; some paths misbehave."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.large = 1000
        """Bytes in the answer to ``/large``."""
        self.environ: dict[str, Any] = {}
        """The environment of the last request."""
        self.hanging = "/hang"
        """The path that hangs."""
        self.entered = threading.Semaphore(0)
        """Released whenever a request to that has begun."""
        self.release = threading.Event()
        """Lets the requests to that go on."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        path = environ["PATH_INFO"]
        self.served.append(f"{environ['REQUEST_METHOD']} {path}")
        if path == "/exit":
            raise SystemExit("stop everything")
        if path == "/interrupt":
            raise KeyboardInterrupt
        if path == "/fail":
            raise ValueError("the password is tiger")
        if path == self.hanging:
            self.entered.release()
            self.release.wait(PATIENCE)
        self.environ = environ
        if path == "/endless":
            start_response("200 OK", [])
            return itertools.repeat(bytes(65536))
        body = b"" if path == "/unread" else environ["wsgi.input"].read()
        content = b"%s %s %s" % (path.encode("latin-1"), environ["wsgi.url_scheme"].encode(), body)
        if path == "/large":
            content = bytes(self.large)
        start_response(
            "200 OK", [("Content-Type", "text/plain"), *([] if path == "/stream" else [("Content-Length", str(len(content)))])]
        )
        return self._breaking() if path == "/break" else [content]

    def _breaking(self) -> Iterable[bytes]:
        yield b"half"
        raise SystemExit("in the middle")


class Client:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def send(self, data: bytes) -> Client:
        """Send bytes as they are; a server that has closed already is none of a test's concern."""
        with suppress(OSError):
            self.socket.sendall(data)
        return self

    def get(self, path: str = "/", *headers: str) -> Client:
        """Send a request."""
        lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]
        return self.send("\r\n".join(lines).encode())

    def answer(self) -> bytes:
        """One answer with a Content-Length, its body last; what is left where the connection ends first."""
        received = b""
        while b"\r\n\r\n" not in received:
            data = self._receive()
            if not data:
                return received
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < lengths[0]:
            data = self._receive()
            if not data:
                break
            body += data
        return head + b"\r\n\r\n" + body

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        received = b""
        while data := self._receive():
            received += data
        return received

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class ServerTestCase(testtools.TestCase):
    """A test with a server of its own."""

    config = APIConfig(port=0, min_threads=1, max_threads=4, max_request_body_size=1024, request_timeout=5.0)

    def setUp(self) -> None:
        super().setUp()
        self.app = SmallApplication()
        self.server = self.serve(self.config)

    def serve(self, config: APIConfig) -> HTTPServer:
        """Start another server, which ends with the test."""
        server = HTTPServer(self.app, config)
        server.start()
        self.addCleanup(server.stop, Deadline.after(PATIENCE))
        self.addCleanup(self.app.release.set)
        return server

    def configured(self, **changes: Any) -> HTTPServer:
        """Start another server with another configuration."""
        return self.serve(dataclasses.replace(self.config, **changes))

    def client(self, server: HTTPServer | None = None) -> Client:
        """A new connection."""
        client = Client((server or self.server).port)
        self.addCleanup(client.close)
        return client

    def assert_serves(self, server: HTTPServer | None = None) -> None:
        """The server answers a new client."""
        self.assertIn(b"200 OK", self.client(server).get("/fine").answer())
