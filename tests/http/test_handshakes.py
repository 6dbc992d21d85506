"""Order of TLS handshakes when many clients connect at the same time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import testtools
from fixtures import TempDir

from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.handshakes import HandshakeQueue
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.tls import TLS
from tests.fixtures.certificates import write_certificate


class ManualExecutor(Executor):
    """Runs its jobs when a test calls :meth:`run`."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], Any]] = []
        self.full = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.full:
            raise NoFreeWorker("full", retry_after=1.0)
        self.jobs.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> None:
        """Run all jobs."""
        while self.jobs:
            self.jobs.pop(0)()


class TestOrder(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        cert, key = write_certificate(Path(self.useFixture(TempDir()).path), "order")
        self.executor = ManualExecutor()
        self.seen: list[Connection] = []
        tls = TLS(APIConfig(enable_ssl_api=True, cert_file=cert, key_file=key))
        self.handshakes = HandshakeQueue(self.executor, tls, self._resume, 1.0)

    def _resume(self, conn: Connection, state: ConnectionState, timeout_s: float | None) -> None:
        self.assertIs(ConnectionState.HANDSHAKE, state)
        self.seen.append(conn)

    def _connections(self, count: int) -> list[Connection]:
        made = []
        for _ in range(count):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            made.append(Connection(ours, "", ListeningSocket(ours, "", 0), 0.0))
            self.addCleanup(theirs.close)
            self.addCleanup(made[-1].close)
        return made

    def test_new_handshakes_are_taken_newest_and_oldest_in_turn(self) -> None:
        """The newest does not wait behind a whole crowd, and the oldest is never forgotten."""
        crowd = self._connections(5)
        for conn in crowd:
            self.handshakes.submit(conn)
        self.executor.run()
        self.assertEqual([4, 0, 3, 1, 2], [crowd.index(conn) for conn in self.seen])

    def test_handshakes_that_have_begun_come_first(self) -> None:
        """Little work is left for them."""
        crowd = self._connections(4)
        self.handshakes.submit(crowd[0])
        self.executor.run()
        for conn in (*crowd[1:], crowd[0]):
            self.handshakes.submit(conn)
        self.executor.run()
        self.assertEqual(0, crowd.index(self.seen[1]))
        self.assertEqual({1, 2, 3}, {crowd.index(conn) for conn in self.seen[2:]})

    def test_a_rejected_connection_leaves_the_queue(self) -> None:
        """No worker continues with a connection that will be closed."""
        accepted, refused = self._connections(2)
        self.handshakes.submit(accepted)
        self.executor.full = True
        self.assertRaises(NoFreeWorker, self.handshakes.submit, refused)
        self.executor.run()
        self.assertEqual([accepted], self.seen)
