"""Attacks on availability: slow, silent and numerous clients. A polite client is served during each attack."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer
from tests.fixtures.certificates import write_certificate
from tests.fixtures.http_clients import HELLO, ByteDripper, connect, connect_securely, measure_waits, receive, trusting_context
from tests.fixtures.open_files import allow_open_files
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase

REQUESTS = 60
"""Requests of the polite client during one attack."""
MAX_WAIT_S = 8.0
"""Maximum seconds of one request on a loaded machine. Without protection, requests took ten seconds and more."""
LARGE_BYTES = 3_000_000
"""Size of a large response."""
SLOW_CLIENTS = 50
MANY_CLIENTS = 500


class AttackTestCase(ServerTestCase):
    """A server with four threads and the default time limits."""

    config = APIConfig(port=0, min_threads=1, max_threads=4)

    def setUp(self) -> None:
        # Both ends of every connection are in this process, and other tests have open files, too.
        allow_open_files(self, 4 * MANY_CLIENTS)
        super().setUp()
        self.app.large = LARGE_BYTES

    def open_connections(self, count: int, connect: Callable[[HTTPServer], socket.socket] = connect) -> list[socket.socket]:
        """Return open connections. They are closed at the end of the test."""
        found = [connect(self.server) for _ in range(count)]
        for sock in found:
            self.addCleanup(sock.close)
        return found

    def send_requests(self, count: int, request: bytes) -> list[socket.socket]:
        """Return connections on which *request* was sent. They use TLS if the server does."""
        context = trusting_context()
        found = self.open_connections(count, lambda server: connect_securely(server, context))
        for sock in found:
            sock.sendall(request)
        return found

    def assert_polite_clients_are_served(self) -> None:
        """Check that a polite client gets all of its responses in time."""
        self.assertLess(measure_waits(self.server, REQUESTS)[-1], MAX_WAIT_S)


class Attacks(AttackTestCase):
    """Attacks that servers with and without TLS have to withstand."""

    def test_silent_clients_delay_no_other_client(self) -> None:
        """An open connection holds no thread before its first byte, however many connections are open."""
        for count in (1, SLOW_CLIENTS - 1, MANY_CLIENTS - SLOW_CLIENTS):
            self.open_connections(count)
            self.assert_polite_clients_are_served()

    def test_dripping_headers_delay_no_other_client(self) -> None:
        """An incomplete request holds no thread."""
        dripping = self.send_requests(SLOW_CLIENTS, b"GET /slow HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        with ByteDripper(dripping, b"x" * 1000, interval_s=0.1):
            self.assert_polite_clients_are_served()
        self.assertNotIn("GET /slow", self.app.served)

    def test_dripping_bodies_delay_no_other_client(self) -> None:
        """The application gets a request when its body is complete."""
        dripping = self.send_requests(SLOW_CLIENTS, b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        with ByteDripper(dripping, b"x" * 900, interval_s=0.1):
            self.assert_polite_clients_are_served()
        self.assertNotIn("POST /slow", self.app.served)

    def test_tiny_chunks_delay_no_other_client(self) -> None:
        """A client that floods the server with one-byte chunks is interrupted, so that other clients are served in between."""
        request = b"POST /tiny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for sock in self.send_requests(SLOW_CLIENTS, request):
            flood = threading.Thread(target=_send_all, args=(sock, b"1\r\nx\r\n" * 100_000))
            flood.start()
            self.addCleanup(flood.join, PATIENCE)
            self.addCleanup(_reset, sock)
        self.assert_polite_clients_are_served()

    def test_unread_responses_delay_no_other_client(self) -> None:
        """A response that its client does not read is buffered and holds no thread."""
        slow = self.send_requests(SLOW_CLIENTS, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assert_polite_clients_are_served()
        # Slow clients still get their response when they read.
        self.assertGreater(len(receive(slow[-1])), LARGE_BYTES)

    def test_unread_endless_responses_delay_no_other_client(self) -> None:
        """Only some of the threads wait for slow readers."""
        slow = self.send_requests(SLOW_CLIENTS, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assert_polite_clients_are_served()
        for sock in slow:
            sock.close()

    def test_idle_connections_delay_no_other_client(self) -> None:
        """Kept-alive connections hold no thread."""
        for sock in self.send_requests(MANY_CLIENTS, b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n"):
            receive(sock)
        self.assert_polite_clients_are_served()

    def test_all_clients_of_a_crowd_are_served(self) -> None:
        """Three hundred clients that connect at the same time all get a response."""
        barrier, served, context = threading.Barrier(20), [], trusting_context()

        def connect_and_request() -> None:
            barrier.wait(PATIENCE)
            opened = [connect(self.server) for _ in range(15)]
            for sock in opened:
                secured = context.wrap_socket(sock) if self.server.url.startswith("https") else sock
                secured.sendall(b"GET /come HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                served.append(receive(secured)[:15])
                secured.close()

        threads = [threading.Thread(target=connect_and_request) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * PATIENCE)
        self.assertEqual([b"HTTP/1.1 200 OK"] * 300, served)


class TestPlain(Attacks):
    """The attacks on an HTTP server."""


class TestSecured(Attacks):
    """The attacks on an HTTPS server, and attacks on the handshake."""

    def setUp(self) -> None:
        certificate, key = write_certificate(Path(self.useFixture(TempDir()).path), "localhost")
        self.config = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        super().setUp()

    def test_dripping_handshakes_delay_no_other_client(self) -> None:
        """A handshake continues with each byte and blocks no thread."""
        with ByteDripper(self.open_connections(SLOW_CLIENTS), HELLO, interval_s=0.1):
            self.assert_polite_clients_are_served()

    def test_stalled_handshakes_delay_no_other_client(self) -> None:
        """A handshake may stall after its first byte or in the middle of a message."""
        for sock in self.open_connections(SLOW_CLIENTS):
            sock.sendall(HELLO[:1])
        for sock in self.open_connections(SLOW_CLIENTS):
            sock.sendall(HELLO[:300])
        self.assert_polite_clients_are_served()

    def test_broken_handshakes_close_the_connection(self) -> None:
        """The connection is closed, and the log contains no traceback."""
        log = self.useFixture(FakeLogger())
        for data in (b"\x16" + b"\xff" * 600, b"\x16\x03\x01\x00\x04\x63\x00\x00\x00"):
            sock = self.open_connections(1)[0]
            sock.sendall(data)
            with contextlib.suppress(ConnectionError):
                while sock.recv(65536):
                    pass
        self.assert_polite_clients_are_served()
        self.assertNotIn("Traceback", log.output)


del Attacks


class TestConnectionLimits(AttackTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=4, max_connections=32)

    def test_new_clients_replace_silent_ones_at_the_limit(self) -> None:
        """Silent clients cannot lock out other clients."""
        self.open_connections(200)
        self.assert_polite_clients_are_served()
        self.assertLess(self.server.connections, 33)

    def test_connections_per_client_are_limited(self) -> None:
        """At the limit, the oldest silent connection of the same client is closed, and no other client's."""
        self.server = self.configured(max_connections_per_peer=3)
        first, second, third, fourth = self.open_connections(4)
        self.assertEqual(b"", first.recv(1))
        for sock in (second, third, fourth):
            sock.sendall(b"GET /share HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200 OK", receive(sock))

    def test_busy_connections_are_not_closed_for_new_ones(self) -> None:
        """A new connection is closed if all open connections have a running request."""
        self.server = self.configured(max_connections=16, max_threads=20)
        busy = self.send_requests(16, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in busy:
            self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        self.assertRaises(ConnectionError, self._send_request)
        self.app.release.set()
        self.assertEqual([b"HTTP/1.1 200"] * 16, [receive(sock)[:12] for sock in busy])

    def _send_request(self) -> None:
        with connect(self.server) as sock:
            sock.sendall(b"GET /refused HTTP/1.1\r\nHost: x\r\n\r\n")
            if not sock.recv(1):
                raise ConnectionAbortedError

    def test_new_clients_replace_slow_ones_at_the_limit(self) -> None:
        """Clients that send or read slowly without end cannot lock out other clients."""
        self.app.large = LARGE_BYTES
        for request in (
            b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
            b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            for _ in range(64):
                sock = self.send_requests(1, request)[0]
                self.assertEqual(b"H", sock.recv(1))
            self.assert_polite_clients_are_served()

    def test_a_flooding_client_loses_its_own_connections_first(self) -> None:
        """A connection of another client survives a flood from one address."""
        kept = self.send_requests(1, b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n")[0]
        receive(kept)
        for _ in range(100):
            flooding = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE, source_address=("127.0.0.2", 0))
            self.addCleanup(flooding.close)
        kept.sendall(b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"/two", receive(kept))


class TestDescriptors(TestCase):
    def test_exhausted_file_descriptors_pause_accepting(self) -> None:
        """The pause costs no CPU time and is logged. Waiting clients are served when descriptors are available again."""
        log = Path(self.useFixture(TempDir()).path) / "log"
        with log.open("w") as errors:
            command, pipe = [sys.executable, "-c", _WITHOUT_DESCRIPTORS], subprocess.PIPE
            server = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        self.addCleanup(server.wait, PATIENCE)
        self.addCleanup(server.kill)
        assert server.stdin is not None and server.stdout is not None
        with server.stdin, server.stdout:
            port = int(server.stdout.readline())
            waiting = [Client(port).get("/waiting") for _ in range(20)]
            server.stdin.write("measure\n")
            server.stdin.flush()
            used = float(server.stdout.readline())
            self.assertLess(used, 0.25, "of one second")
            self.assertIn("cannot be accepted for now: Too many open files", log.read_text())
            self.assertLess(log.read_text().count("cannot be accepted"), 40)
            server.stdin.write("release\n")
            server.stdin.flush()
            answers = [client.answer() for client in waiting]
            self.assertEqual([True] * 20, [b"200 OK" in answer for answer in answers])
            for client in waiting:
                client.close()


_WITHOUT_DESCRIPTORS = """
import logging, os, resource, sys, time
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer
from tests.fixtures.sockets import SmallApplication
logging.basicConfig(level=logging.ERROR)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
server = HTTPServer(SmallApplication(), APIConfig(port=0))
server.start()
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    print(server.port, flush=True)
sys.stdin.readline()
before = time.process_time()
time.sleep(1.0)
print(time.process_time() - before, flush=True)
sys.stdin.readline()
for descriptor in held:
    os.close(descriptor)
sys.stdin.readline()
"""


class TestOverload(ServerTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=1, request_queue_size=0)

    def test_overload_is_answered_with_503_at_once(self) -> None:
        """The response has Retry-After and closes the connection. Later requests are served again."""
        busy = self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        refused = self.client().get("/more").rest()
        self.assertTrue(refused.startswith(b"HTTP/1.1 503 "), refused)
        for header in (b"Retry-After: ", b"Connection: close"):
            self.assertIn(header, refused)
        self.app.release.set()
        self.assertIn(b"200 OK", busy.answer())
        self.assertTrue(_becomes_true(lambda: b"200 OK" in self.client().get("/again").answer()))

    def test_health_checks_work_during_overload(self) -> None:
        """Monitoring sees that the process is alive and ready although it is busy."""
        self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        for path in ("/healthz", "/readyz"):
            self.assertIn(b"200 OK", self.client().get(path).answer())

    def test_liveness_does_not_wait_for_readiness(self) -> None:
        """The liveness check answers while readiness checks hang."""
        self.app.hanging = "/readyz"
        for _ in range(3):
            self.client().get("/readyz")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        watching = self.client()
        watching.socket.settimeout(PATIENCE / 2)
        self.assertIn(b"200 OK", watching.get("/healthz").answer())


def _send_all(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(data)


def _reset(sock: socket.socket) -> None:
    """Reset the connection, so that the server does not process the rest of its input."""
    socket.socket.setsockopt(sock, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    sock.close()


def _becomes_true(condition: Callable[[], bool]) -> bool:
    deadline = Deadline.after(PATIENCE)
    while not deadline.expired:
        if condition():
            return True
    return False
