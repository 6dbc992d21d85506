"""Slow clients: deadlines, the budget for bodies, and the limit of unsent output."""

from __future__ import annotations

import dataclasses
import socket
import time
import tracemalloc

from fixtures import MonkeyPatch
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.connection_limits import ConnectionLimits
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import OutputBuffer
from baremetal_sdk.http.sockets import listen
from tests.fixtures.http_clients import connect
from tests.fixtures.sockets import PATIENCE, ServerTestCase


class TestSlowTransfers(ServerTestCase):
    config = dataclasses.replace(
        ServerTestCase.config, max_request_body_size=10_000_000, slow_client_grace_period=0.5, min_transfer_rate=1_000_000.0
    )

    def test_the_deadline_of_a_body_grows_with_its_received_bytes(self) -> None:
        """Of two uploads with the same pause, the one with enough bytes is served, and the other times out."""
        head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        large = self.client().send(head % 9_000_000 + bytes(8_999_999))
        little = self.client().send(head % 1000 + bytes(999))
        self.assertIn(b"408 Request Timeout", little.answer())
        self.assertIn(b"200 OK", large.send(b"x").answer())

    def test_a_client_that_does_not_read_is_disconnected(self) -> None:
        """The connection is reset after the time that the minimum rate allows, and not before."""
        self.app.large = 20_000_000
        with connect(self.server) as sock:
            began = time.monotonic()
            sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(b"H", sock.recv(1))
            deadline = Deadline.after(PATIENCE)
            while self.server.connections:
                deadline.check("a slow reader to be cut")
                time.sleep(0.01)
            self.assertGreater(time.monotonic() - began, 0.5)
            sock.settimeout(PATIENCE)
            self.assertRaises(ConnectionResetError, self._read_all, sock)

    def _read_all(self, sock: socket.socket) -> None:
        while sock.recv(1 << 20):
            pass

    def test_an_idle_connection_times_out(self) -> None:
        """The timeout applies before the first request and between two requests."""
        server = self.configured(request_timeout=1.0)
        client = self.client(server).get("/one")
        self.assertIn(b"200 OK", client.answer())
        self.assertEqual(b"", client.rest())

    def test_the_client_of_a_rejected_upload_can_read_the_error(self) -> None:
        """The server reads and discards the rest of the upload for a short time. Otherwise the response would be lost."""
        client = self.client().send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n")
        for _ in range(20):
            client.send(bytes(100_000))
        self.assertIn(b"413 ", client.answer())


class TestBodyBudget(ServerTestCase):
    config = dataclasses.replace(ServerTestCase.config, max_request_body_size=1_000_000)

    def test_the_oldest_upload_is_rejected_above_the_budget(self) -> None:
        """Uploads cannot fill the disk. Completed and rejected uploads free their share of the budget."""
        self.useFixture(MonkeyPatch("baremetal_sdk.http.limits.HTTPLimits.max_spooled_bytes", 1))
        # The budget is four times the largest of the limits.
        names = ("max_request_body_size", "max_provision_body_size", "max_inspection_body_size")
        server = self.configured(**dict.fromkeys(names, 1_000_000))
        head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
        uploads = [self.client(server).send(head) for _ in range(5)]
        for client in uploads:
            client.send(bytes(899_999))
        refused = uploads[0].answer()
        self.assertIn(b"503 ", refused)
        self.assertIn(b"Retry-After", refused)
        self.assertEqual([True] * 4, [b"200 OK" in client.send(b"x").answer() for client in uploads[1:]])
        self.assertIn(b"200 OK", self.client(server).send(head + bytes(900_000)).answer())


class TestUnsentOutput(ServerTestCase):
    def _sending(self, pending: int, began: float) -> Connection:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        with listen(self.config) as listeners:
            (listener,) = listeners.duplicate(is_shared=False)
            listener.sock.close()
        conn = Connection(ours, ("192.0.2.1", 1), listener, began)
        conn.state, conn.stage_started_at = ConnectionState.SENDING, began
        conn.output.write(bytes(pending))
        return conn

    def test_the_slowest_readers_are_disconnected_above_the_limit(self) -> None:
        """Only as many are selected as necessary, and never the one that has just become slow."""
        connections: dict[int, Connection] = {}
        connection_limits = ConnectionLimits(HTTPLimits(max_unsent_bytes=1000), connections)
        cut: list[Connection] = []
        for began in (1.0, 2.0, 3.0):
            conn = self._sending(400, began)
            connections[conn.fd] = conn
            cut += connection_limits.find_excess_readers(conn)
        self.assertEqual([1.0], [conn.stage_started_at for conn in cut])


class TestOutputBuffer(TestCase):
    def test_a_large_response_is_not_copied(self) -> None:
        """A copy for each slow reader would cost memory, and time in which no other client is served."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        ours.setblocking(False)
        large, output = bytes(20_000_000), OutputBuffer(ours)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for piece in (b"a head", b" and more", large, b"an end"):
            output.write(piece)
        self.assertFalse(output.flush())
        self.assertLess(tracemalloc.get_traced_memory()[1], len(large) // 10)
        received = b""
        while output.pending:
            received += theirs.recv(1 << 24)
            output.flush()
        theirs.settimeout(PATIENCE)
        while not received.endswith(b"an end"):
            received += theirs.recv(1 << 24)
        self.assertEqual(b"a head and more" + large + b"an end", received)
