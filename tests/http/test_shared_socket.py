"""A server on a socket of its host, and clients that connect while the server stops."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer

TIMEOUT_S = 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class TestListener(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(self.listener.close)

    def serve(self, body: bytes) -> HTTPServer:
        def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]

        server = HTTPServer(application, APIConfig(), self.listener)
        server.start()
        self.addCleanup(server.stop, Deadline.after(TIMEOUT_S))
        return server

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname(), timeout=TIMEOUT_S)
        self.addCleanup(client.close)
        return client

    def answer(self, client: socket.socket) -> bytes:
        """Return the body of the response. It is empty if the connection was closed without a response."""
        read = b""
        while piece := client.recv(65536):
            read += piece
        return read.rpartition(b"\r\n\r\n")[2]

    def test_the_server_uses_the_port_of_the_socket(self) -> None:
        """The port of the configuration has no effect."""
        server = self.serve(b"one")
        self.assertEqual(self.listener.getsockname()[1], server.port)
        client = self.connect()
        client.sendall(REQUEST)
        self.assertEqual(b"one", self.answer(client))

    def test_a_client_between_two_servers_waits_for_the_second(self) -> None:
        """The socket stays open, so the client is not refused."""
        self.serve(b"one").stop(Deadline.after(TIMEOUT_S))
        client = self.connect()
        client.sendall(REQUEST)
        self.serve(b"two")
        self.assertEqual(b"two", self.answer(client))

    def test_clients_accepted_before_the_stop_are_answered(self) -> None:
        """A client that was accepted may send its first request after the stop has begun."""
        answers = next(filter(None, (self.stop_during_requests() for _ in range(10))))
        self.assertEqual([b"one"] * 20, answers)

    def stop_during_requests(self) -> list[bytes] | None:
        """Return the responses to clients that send their request after a stop has begun, or None if they sent it too late."""
        server = self.serve(b"one")
        clients = [self.connect() for _ in range(20)]
        # Connections are accepted in order. When the last one has its response, all others are accepted.
        last = self.connect()
        last.sendall(REQUEST)
        self.assertEqual(b"one", self.answer(last))
        stopping = threading.Thread(target=server.stop, args=(Deadline.after(TIMEOUT_S),))
        before = time.monotonic()
        stopping.start()
        for client in clients:
            client.sendall(REQUEST)
        in_time = time.monotonic() - before < 0.8
        stopping.join(TIMEOUT_S)
        return [self.answer(client) for client in clients] if in_time else None

    def test_silent_clients_delay_a_stop_only_briefly(self) -> None:
        """Silent connections are closed long before the deadline of the stop."""
        server = self.serve(b"one")
        silent = self.connect()
        deadline = Deadline.after(60.0)
        self.assertTrue(server.stop(deadline))
        self.assertGreater(deadline.remaining(), 50.0)
        silent.close()
