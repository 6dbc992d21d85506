"""Clients that are slow, silent or many, in all the ways in which servers were seen to stop: a polite one is served."""

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
from tests.fixtures.authority import write_certificate
from tests.fixtures.http_clients import HELLO, Dripping, connect, connect_securely, receive, trusting_context, waits
from tests.fixtures.open_files import allow_open_files
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase

REQUESTS = 60
"""Requests of the polite client during one attack."""
LONGEST = 8.0
"""Seconds that any of them may take, on a machine that does other things as well. What is guarded against took ten and more."""
LARGE = 3_000_000
SLOW = 50
MANY = 500


class AttackTestCase(ServerTestCase):
    """A server with four threads and the limits of time that it has by default."""

    config = APIConfig(port=0, min_threads=1, max_threads=4)

    def setUp(self) -> None:
        # Both ends of every connection, and what other tests have open.
        allow_open_files(self, 4 * MANY)
        super().setUp()
        self.app.large = LARGE

    def opened(self, count: int, connecting: Callable[[HTTPServer], socket.socket] = connect) -> list[socket.socket]:
        """Connections that end with the test."""
        found = [connecting(self.server) for _ in range(count)]
        for sock in found:
            self.addCleanup(sock.close)
        return found

    def asked(self, count: int, request: bytes) -> list[socket.socket]:
        """Connections, secured where the server is, on which *request* was sent."""
        context = trusting_context()
        found = self.opened(count, lambda server: connect_securely(server, context))
        for sock in found:
            sock.sendall(request)
        return found

    def assert_polite_clients_are_served(self) -> None:
        """Nobody waits long."""
        self.assertLess(waits(self.server, REQUESTS)[-1], LONGEST)


class Attacks(AttackTestCase):
    """What plain and secured servers have to bear."""

    def test_silent_clients_keep_nobody_waiting(self) -> None:
        """A connection costs no thread before its first byte, however many there are."""
        for count in (1, SLOW - 1, MANY - SLOW):
            self.opened(count)
            self.assert_polite_clients_are_served()

    def test_headers_that_drip_keep_nobody_waiting(self) -> None:
        """A request that is not there as a whole costs no thread."""
        dripping = self.asked(SLOW, b"GET /slow HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        with Dripping(dripping, b"x" * 1000, every=0.1):
            self.assert_polite_clients_are_served()
        self.assertNotIn("GET /slow", self.app.served)

    def test_bodies_that_drip_keep_nobody_waiting(self) -> None:
        """The application sees a request when its body is there."""
        dripping = self.asked(SLOW, b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        with Dripping(dripping, b"x" * 900, every=0.1):
            self.assert_polite_clients_are_served()
        self.assertNotIn("POST /slow", self.app.served)

    def test_bodies_in_tiny_pieces_keep_nobody_waiting(self) -> None:
        """Chunks of one byte each cost the more work the faster they come: everybody gets a turn in between."""
        request = b"POST /tiny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for sock in self.asked(SLOW, request):
            flood = threading.Thread(target=_send_all, args=(sock, b"1\r\nx\r\n" * 100_000))
            flood.start()
            self.addCleanup(flood.join, PATIENCE)
            self.addCleanup(_reset, sock)
        self.assert_polite_clients_are_served()

    def test_answers_that_are_not_read_keep_nobody_waiting(self) -> None:
        """What a client does not read is kept for it, and costs no thread."""
        slow = self.asked(SLOW, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assert_polite_clients_are_served()
        # They are served all the same, once they read.
        self.assertGreater(len(receive(slow[-1])), LARGE)

    def test_endless_answers_that_are_not_read_keep_nobody_waiting(self) -> None:
        """Some threads wait for clients that read slowly, never all of them."""
        slow = self.asked(SLOW, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assert_polite_clients_are_served()
        for sock in slow:
            sock.close()

    def test_idle_connections_keep_nobody_waiting(self) -> None:
        """Connections that are kept alive cost no thread."""
        for sock in self.asked(MANY, b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n"):
            receive(sock)
        self.assert_polite_clients_are_served()

    def test_many_clients_at_once_are_all_served(self) -> None:
        """Three hundred that connect at the same moment are neither reset nor forgotten."""
        barrier, served, context = threading.Barrier(20), [], trusting_context()

        def come() -> None:
            barrier.wait(PATIENCE)
            opened = [connect(self.server) for _ in range(15)]
            for sock in opened:
                secured = context.wrap_socket(sock) if self.server.url.startswith("https") else sock
                secured.sendall(b"GET /come HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                served.append(receive(secured)[:15])
                secured.close()

        threads = [threading.Thread(target=come) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * PATIENCE)
        self.assertEqual([b"HTTP/1.1 200 OK"] * 300, served)


class TestPlain(Attacks):
    """The attacks, on HTTP."""


class TestSecured(Attacks):
    """The attacks, on HTTPS, and those on the handshake."""

    def setUp(self) -> None:
        certificate, key = write_certificate(Path(self.useFixture(TempDir()).path), "localhost")
        self.config = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        super().setUp()

    def test_handshakes_that_drip_keep_nobody_waiting(self) -> None:
        """A handshake goes on with each byte, and waits in no thread."""
        with Dripping(self.opened(SLOW), HELLO, every=0.1):
            self.assert_polite_clients_are_served()

    def test_handshakes_that_stop_keep_nobody_waiting(self) -> None:
        """Neither at their first byte nor in the middle."""
        for sock in self.opened(SLOW):
            sock.sendall(HELLO[:1])
        for sock in self.opened(SLOW):
            sock.sendall(HELLO[:300])
        self.assert_polite_clients_are_served()

    def test_broken_handshakes_are_forgotten(self) -> None:
        """Their connections end, and the log has no traceback of them."""
        log = self.useFixture(FakeLogger())
        for data in (b"\x16" + b"\xff" * 600, b"\x16\x03\x01\x00\x04\x63\x00\x00\x00"):
            sock = self.opened(1)[0]
            sock.sendall(data)
            with contextlib.suppress(ConnectionError):
                while sock.recv(65536):
                    pass
        self.assert_polite_clients_are_served()
        self.assertNotIn("Traceback", log.output)


del Attacks


class TestRoom(AttackTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=4, max_connections=32)

    def test_silent_clients_make_room_when_there_are_too_many(self) -> None:
        """Nobody is locked out by those who say nothing."""
        self.opened(200)
        self.assert_polite_clients_are_served()
        self.assertLess(self.server.connections, 33)

    def test_one_client_can_be_held_to_its_share(self) -> None:
        """The oldest of its own silent connections makes room, and nobody else's."""
        self.server = self.configured(max_connections_per_peer=3)
        first, second, third, fourth = self.opened(4)
        self.assertEqual(b"", first.recv(1))
        for sock in (second, third, fourth):
            sock.sendall(b"GET /share HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200 OK", receive(sock))

    def test_connections_at_work_are_not_sent_away(self) -> None:
        """Where all that there is room for are being served, a new one is refused."""
        self.server = self.configured(max_connections=16, max_threads=20)
        busy = self.asked(16, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in busy:
            self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        self.assertRaises(ConnectionError, self._ask_once)
        self.app.release.set()
        self.assertEqual([b"HTTP/1.1 200"] * 16, [receive(sock)[:12] for sock in busy])

    def _ask_once(self) -> None:
        with connect(self.server) as sock:
            sock.sendall(b"GET /refused HTTP/1.1\r\nHost: x\r\n\r\n")
            if not sock.recv(1):
                raise ConnectionAbortedError

    def test_those_who_send_or_read_slowly_make_room_too(self) -> None:
        """Nobody is locked out by connections that are busy without end."""
        self.app.large = LARGE
        for request in (
            b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
            b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            for _ in range(64):
                sock = self.asked(1, request)[0]
                self.assertEqual(b"H", sock.recv(1))
            self.assert_polite_clients_are_served()

    def test_who_floods_makes_room_before_others_do(self) -> None:
        """A connection that is kept by somebody else outlives a flood from one address."""
        kept = self.asked(1, b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n")[0]
        receive(kept)
        for _ in range(100):
            flooding = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE, source_address=("127.0.0.2", 0))
            self.addCleanup(flooding.close)
        kept.sendall(b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"/two", receive(kept))


class TestDescriptors(TestCase):
    def test_a_lack_of_descriptors_slows_accepting_and_is_said(self) -> None:
        """It costs no processor time, and whoever waits is served once there are some again."""
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

    def test_too_many_requests_are_answered_at_once(self) -> None:
        """503 with Retry-After, and the connection is closed; when there is room again, there is service again."""
        busy = self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        refused = self.client().get("/more").rest()
        self.assertTrue(refused.startswith(b"HTTP/1.1 503 "), refused)
        for header in (b"Retry-After: ", b"Connection: close"):
            self.assertIn(header, refused)
        self.app.release.set()
        self.assertIn(b"200 OK", busy.answer())
        self.assertTrue(_eventually(lambda: b"200 OK" in self.client().get("/again").answer()))

    def test_health_is_told_even_then(self) -> None:
        """Whoever watches the service sees that it is alive, and busy."""
        self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        for path in ("/healthz", "/readyz"):
            self.assertIn(b"200 OK", self.client().get(path).answer())

    def test_being_alive_does_not_wait_for_being_ready(self) -> None:
        """What readiness asks may hang, and the process is alive all the same."""
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
    """Break the connection, so that nobody goes on with what was sent on it."""
    socket.socket.setsockopt(sock, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    sock.close()


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = Deadline.after(PATIENCE)
    while not deadline.expired:
        if condition():
            return True
    return False
