"""A server on a socket that was handed in, and what a stop does to those who are just arriving."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer

SOON = 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class TestListener(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(self.listener.close)

    def serve(self, says: bytes) -> HTTPServer:
        def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Length", str(len(says)))])
            return [says]

        server = HTTPServer(application, APIConfig(), self.listener)
        server.start()
        self.addCleanup(server.stop, Deadline.after(SOON))
        return server

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname(), timeout=SOON)
        self.addCleanup(client.close)
        return client

    def answer(self, client: socket.socket) -> bytes:
        """The body of the answer; empty when the connection was closed without one."""
        read = b""
        while piece := client.recv(65536):
            read += piece
        return read.rpartition(b"\r\n\r\n")[2]

    def test_it_serves_where_the_socket_listens(self) -> None:
        """Port and URL are those of the socket, whatever the configuration says."""
        server = self.serve(b"one")
        self.assertEqual(self.listener.getsockname()[1], server.port)
        client = self.connect()
        client.sendall(REQUEST)
        self.assertEqual(b"one", self.answer(client))

    def test_who_comes_between_two_servers_waits_for_the_second(self) -> None:
        """The socket outlives its server: the connection is not refused, and the next server answers."""
        self.serve(b"one").stop(Deadline.after(SOON))
        client = self.connect()
        client.sendall(REQUEST)
        self.serve(b"two")
        self.assertEqual(b"two", self.answer(client))

    def test_who_was_let_in_before_the_stop_is_answered(self) -> None:
        """A connection that was accepted, and sends its first request when nobody accepts any more, is not closed on it."""
        answers = next(filter(None, (self.stopped_under_arrivals() for _ in range(10))))
        self.assertEqual([b"one"] * 20, answers)

    def stopped_under_arrivals(self) -> list[bytes] | None:
        """What clients are told that send just after the beginning of a stop; None when they were late in doing so."""
        server = self.serve(b"one")
        clients = [self.connect() for _ in range(20)]
        # Connections are accepted in their order: when the last one is answered, the others have been accepted.
        last = self.connect()
        last.sendall(REQUEST)
        self.assertEqual(b"one", self.answer(last))
        stopping = threading.Thread(target=server.stop, args=(Deadline.after(SOON),))
        before = time.monotonic()
        stopping.start()
        for client in clients:
            client.sendall(REQUEST)
        in_time = time.monotonic() - before < 0.8
        stopping.join(SOON)
        return [self.answer(client) for client in clients] if in_time else None

    def test_silent_clients_hold_a_stop_up_for_a_moment_only(self) -> None:
        """Who has been let in and says nothing is closed, long before the deadline of the stop."""
        server = self.serve(b"one")
        silent = self.connect()
        deadline = Deadline.after(60.0)
        self.assertTrue(server.stop(deadline))
        self.assertGreater(deadline.remaining(), 50.0)
        silent.close()
