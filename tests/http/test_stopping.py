"""Stops, reloads and replacements under load: accepted clients get their responses."""

from __future__ import annotations

import dataclasses
import gc
import signal
import socket
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer, listen
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.loop import EventLoop
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streams import StreamSender
from tests.fixtures.certificates import write_certificate
from tests.fixtures.http_clients import connect_securely, receive, trusting_context
from tests.fixtures.restarting_service import STOP_TIMEOUT_S, RestartableService
from tests.fixtures.sockets import PATIENCE, ServerTestCase, SmallApplication

CLIENTS = 16
REQUEST = b"GET /load HTTP/1.1\r\nHost: x\r\n\r\n"


class Load:
    """Clients that send requests without a pause and count the outcomes.

    The server may close a kept-alive connection between two requests. The client then repeats the request on a new connection.
    """

    def __init__(
        self, port: int, secured: bool = False, clients: int = CLIENTS, path: str = "/load", patience: float = PATIENCE
    ) -> None:
        self._port = port
        self._patience = patience
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._context = trusting_context() if secured else None
        self._stop = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(3 * self._patience)

    def wait_for(self, responses: int) -> None:
        """Wait until *responses* requests were answered."""
        deadline = Deadline.after(3 * self._patience)
        while self.outcomes["answered"] < responses:
            deadline.check("clients to be answered")
            time.sleep(0.005)

    def _ask(self, number: int) -> None:
        sock: socket.socket | None = None
        while not self._stop.is_set():
            kept = sock is not None
            try:
                sock = sock or self._connect()
                sock.sendall(self._request)
                answer = receive(sock)
            except OSError as exc:
                answer = b""
                self.outcomes["kept connection closed" if kept else f"failed: {type(exc).__name__}"] += 1
            else:
                is_complete = answer.startswith(b"HTTP/1.1 200") and _is_complete(answer)
                self.outcomes["answered" if is_complete else "kept connection closed" if kept and not answer else "failed"] += 1
            # Every second client uses a new connection for each request.
            if sock is not None and (not answer or b"Connection: close" in answer or number % 2):
                sock.close()
                sock = None
        if sock is not None:
            sock.close()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=self._patience)
        return sock if self._context is None else self._context.wrap_socket(sock)

    @property
    def failures(self) -> dict[str, int]:
        """Number of failed requests by kind of failure."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome.startswith("failed")}


def _is_complete(answer: bytes) -> bool:
    head, _, body = answer.lower().partition(b"\r\n\r\n")
    return b"\r\ncontent-length: %d\r\n" % len(body) in head + b"\r\n"


class TestUnderLoad(ServerTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=8)

    def test_replacing_the_server_on_its_socket_fails_no_request(self) -> None:
        """The next server handles connections that arrive while the first one stops and between the two."""
        with listen(self.config) as listeners:
            server = HTTPServer(self.app, self.config, listeners)
            server.start()
            with Load(server.port) as load:
                for generation in range(1, 6):
                    load.wait_for(200 * generation)
                    following = HTTPServer(self.app, self.config, listeners)
                    if generation % 2:
                        following.start()
                        self.assertTrue(server.stop(Deadline.after(PATIENCE)))
                    else:
                        self.assertTrue(server.stop(Deadline.after(PATIENCE)))
                        following.start()
                    server = following
                load.wait_for(1200)
            self.assertTrue(server.stop(Deadline.after(PATIENCE)))
        self.assertEqual({}, load.failures)

    def test_new_certificates_fail_no_request(self) -> None:
        """Open connections continue, and new ones get the new certificate."""
        directory = Path(self.useFixture(TempDir()).path)
        certificate, key = write_certificate(directory, "server")
        config = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        server = self.serve(config)
        with Load(server.port, secured=True, clients=8) as load:
            for turn in range(1, 5):
                load.wait_for(60 * turn)
                new_certificate, new_key = write_certificate(directory, f"server{turn}")
                Path(new_certificate).rename(certificate)
                Path(new_key).rename(key)
                server.reload(config)
        self.assertEqual({}, load.failures)
        self.assertEqual(0, load.outcomes["kept connection closed"])

    def test_a_stop_answers_accepted_clients(self) -> None:
        """Later clients are refused, and none is left without an answer."""
        server = self.configured()
        with Load(server.port) as load:
            load.wait_for(500)
            self.assertTrue(server.stop(Deadline.after(PATIENCE)))
        refused = {"failed: ConnectionRefusedError"}
        self.assertEqual(set(), load.failures.keys() - refused)

    def test_responses_during_a_stop_announce_the_close(self) -> None:
        """A response that is sent while the server stops has Connection: close."""
        self.server = self.configured()
        client = self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        stopping = threading.Thread(target=self.server.stop, args=(Deadline.after(PATIENCE),))
        port = self.server.port
        stopping.start()
        while _accepts(port):
            pass
        self.app.release.set()
        self.assertIn(b"Connection: close", client.rest())
        stopping.join(PATIENCE)
        self.assertFalse(stopping.is_alive())

    def test_a_stop_waits_for_incomplete_requests(self) -> None:
        """A request whose first byte was read is answered if it arrives in time."""
        self.server = self.configured()
        client = self.client().send(REQUEST[:20])
        port = self.server.port
        stopping = threading.Thread(target=self.server.stop, args=(Deadline.after(PATIENCE),))
        stopping.start()
        while _accepts(port):
            pass
        self.assertIn(b"200 OK", client.send(REQUEST[20:]).rest())
        stopping.join(PATIENCE)
        self.assertFalse(stopping.is_alive())


class TestRestart(TestCase):
    """A service in another process, over HTTPS, on a shared socket."""

    def test_reloads_and_restarts_fail_no_request(self) -> None:
        """Clients that connect during a restart wait on the socket. SIGTERM answers accepted clients."""
        with RestartableService(Path(self.useFixture(TempDir()).path)) as service:
            with Load(service.port, secured=True, clients=24, path="/v1/nodes?limit=5", patience=STOP_TIMEOUT_S) as load:
                for turn, change in enumerate(service.changes() * 2, 1):
                    load.wait_for(200 * turn)
                    change()
                load.wait_for(1400)
            self.assertEqual({}, load.failures, service.log.read_text()[-3000:])
            self.assertLess(service.stop(), STOP_TIMEOUT_S)


class TestSignals(ServerTestCase):
    def test_a_signal_handler_may_stop_the_server(self) -> None:
        """This works while the main thread itself stops the server."""
        if threading.current_thread() is not threading.main_thread():
            self.skipTest("signals come in the main thread")
        self.useFixture(FakeLogger())
        ended: list[bool] = []
        self.server = self.configured()
        stop = self.server.stop
        before = signal.signal(signal.SIGUSR1, lambda *_: ended.append(stop(Deadline.after(0.5))))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        stuck = self.client().get("/hang")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        threading.Timer(0.05, signal.raise_signal, [signal.SIGUSR1]).start()
        started = time.monotonic()
        self.assertFalse(self.server.stop(Deadline.after(1.0)))
        self.assertLess(time.monotonic() - started, PATIENCE / 2)
        self.assertEqual(b"", stuck.rest())
        self.assertEqual([True], ended)

    def test_an_application_may_stop_its_own_server(self) -> None:
        """The stop waits for the request itself until the deadline, and no longer."""
        self.useFixture(FakeLogger())
        stopped: list[bool] = []
        returned = threading.Event()

        def app(environ: object, start_response: object) -> list[bytes]:
            stopped.append(server.stop(Deadline.after(0.3)))
            returned.set()
            return []

        server = HTTPServer(app, self.config)
        server.start()
        self.assertEqual(b"", self.client(server).get("/").rest())
        self.assertTrue(returned.wait(PATIENCE))
        self.assertEqual([False], stopped)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


class TestCutConnections(ServerTestCase):
    """Connections that a stop cuts while a worker owns them."""

    config = APIConfig(port=0, min_threads=1, max_threads=1)

    def test_no_socket_is_left_to_the_garbage_collector(self) -> None:
        """A stop closes the connections of running and of queued requests, with and without TLS."""
        certificate, key = write_certificate(Path(self.useFixture(TempDir()).path), "first")
        secured = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        for config in (self.config, secured):
            self.app = SmallApplication()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ResourceWarning)
                self.stop_with_waiting_requests(self.serve(config))
                gc.collect()
            self.assertEqual([], [str(warning.message) for warning in caught if "socket" in str(warning.message)])

    def stop_with_waiting_requests(self, server: HTTPServer) -> None:
        """Stop *server* while one request runs and four wait, and let the running one end afterwards."""
        clients = [connect_securely(server) for _ in range(5)]
        for client in clients:
            client.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        self.assertFalse(server.stop(Deadline.after(0.1)))
        self.app.release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("http"):
                thread.join(PATIENCE)
        for client in clients:
            client.close()

    def test_a_worker_closes_a_connection_that_was_cut(self) -> None:
        """A worker that returns a connection after the end of the event loop closes it, in whatever state it returns it."""
        for state in (ConnectionState.DETACHING, ConnectionState.HANDSHAKE, ConnectionState.IDLE):
            returned: list[Connection] = []
            sock = socket.create_server(("127.0.0.1", 0))
            sock.setblocking(False)
            listeners = [ListeningSocket(sock, "127.0.0.1", sock.getsockname()[1])]
            limits = HTTPLimits()
            streams = StreamSender(limits)
            loop = EventLoop(listeners, limits, serve=returned.append, shake=None, streams=streams, budget=BodyBudget(1024))
            thread = threading.Thread(target=loop.run)
            thread.start()
            with socket.create_connection(sock.getsockname()) as client:
                client.sendall(REQUEST)
                deadline = Deadline.after(PATIENCE)
                while not returned:
                    deadline.check("the request to reach its worker")
                    time.sleep(0.005)
                loop.cut()
                thread.join(PATIENCE)
                self.assertNotEqual(-1, returned[0].sock.fileno())
                loop.resume(returned[0], state, PATIENCE)
                self.assertEqual(-1, returned[0].sock.fileno())
