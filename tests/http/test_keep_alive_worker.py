"""Requests of one client in sequence: a worker that stays with the client serves them like any other worker."""

from __future__ import annotations

import contextvars
import dataclasses
import re
import socket
import threading
from collections.abc import Iterable
from typing import Any

import testtools

from baremetal_interfaces import Deadline
from baremetal_sdk.http import HTTPServer
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection
from baremetal_sdk.http.keep_alive_worker import KeepAliveWorker
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.sockets import ListeningSocket
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase, SmallApplication
from tests.http.test_framing import AMBIGUOUS, POST, SMUGGLED

_SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")
_REQUESTS_IN_ONE_JOB = 3
"""Requests in one job of the pool that prove that a worker stays."""


class ContextApplication(SmallApplication):
    """Fails if it finds a context variable of an earlier request, and sets one itself."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        before = _SEEN.get()
        _SEEN.set(environ["PATH_INFO"])
        yield from super().__call__(environ, start_response)
        assert before == "nothing"


def count_jobs(server: HTTPServer) -> int:
    """Return the number of finished jobs on the lane for requests."""
    assert server.pool is not None
    return server.pool["requests"].statistics.executed


class TestSequence(ServerTestCase):
    config = dataclasses.replace(ServerTestCase.config, min_threads=2)

    def _connect_with_worker(self, server: HTTPServer | None = None) -> Client:
        """Return a client with which a worker stays."""
        client, deadline, alone = self.client(server), Deadline.after(PATIENCE), 0
        while alone < _REQUESTS_IN_ONE_JOB:
            deadline.check("a worker to stay with a client")
            before = count_jobs(server or self.server)
            self.assertTrue(client.get("/ask").answer().endswith(b"/ask http "))
            alone = alone + 1 if count_jobs(server or self.server) == before else 0
        return client

    def test_a_worker_stays_with_a_prompt_client(self) -> None:
        """The worker leaves when no further request arrives, and another worker serves later ones."""
        client = self._connect_with_worker()
        assert self.server.pool is not None
        self.assertTrue(self.server.pool.drain(PATIENCE))
        self.assertTrue(client.get("/later").answer().endswith(b"/later http "))

    def test_the_only_worker_does_not_stay(self) -> None:
        """With one thread, no client waits for a thread that waits."""
        server = self.configured(min_threads=1)
        client = self.client(server)
        for _ in range(20):
            client.get().answer()
        client.close()
        assert server.pool is not None
        self.assertTrue(server.pool.drain(PATIENCE))
        self.assertEqual(20, count_jobs(server))

    def test_a_staying_worker_leaves_ambiguous_requests_to_the_loop(self) -> None:
        """Such a request is rejected once and closes the connection, whatever follows it."""
        for name, data in AMBIGUOUS.items():
            client = self._connect_with_worker()
            answers = client.send(data + SMUGGLED).rest()
            self.assertTrue(re.match(rb"HTTP/1\.1 (400|501|505|413) ", answers), (name, answers[:200]))
            self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 \d\d\d ", answers)), name)
        self.assertEqual({"GET /ask"}, set(self.app.served))

    def test_a_staying_worker_leaves_incomplete_requests_to_the_loop(self) -> None:
        """Splitting a request does not change it, whatever follows it."""
        plain = POST + b"Content-Length: 5\r\n\r\nhello"
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        for data in (plain, chunked):
            for cut in (1, len(POST) - 1, len(data) - 7, len(data)):
                client = self._connect_with_worker()
                client.send(data[:cut])
                client.send(data[cut:] + data).get("/last", "Connection: close")
                answers = client.rest()
                self.assertEqual(2, answers.count(b"/p http hello"), (data, cut))
                self.assertTrue(answers.endswith(b"/last http "))

    def test_expect_100_continue_is_answered(self) -> None:
        """The client sends its body after the interim response."""
        client = self._connect_with_worker().send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b"100 Continue", client.answer())
        self.assertTrue(client.send(b"ok").answer().endswith(b"/p http ok"))

    def test_a_client_that_leaves_is_noticed(self) -> None:
        """The server closes its end of the connection."""
        self._connect_with_worker().close()
        ended = Deadline.after(PATIENCE)
        while self.server.connections:
            ended.check("a connection to be closed")

    def test_requests_do_not_share_a_context(self) -> None:
        """Context variables of one request are not visible to the next."""
        self.app = ContextApplication()
        self._connect_with_worker(self.serve(self.config))

    def test_a_stop_ends_the_sequence(self) -> None:
        """The server does not wait for a client that sends one request after the other."""
        client, answers = self._connect_with_worker(), []

        def ask() -> None:
            while answer := client.get("/again").answer():
                answers.append(answer)

        asking = threading.Thread(target=ask)
        asking.start()
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        asking.join(PATIENCE)
        self.assertFalse(asking.is_alive())
        self.assertEqual([], [answer for answer in answers if not answer.endswith(b"/again http ")])


class TestStaying(testtools.TestCase):
    """A worker whose client sends its next request before the response to the last one."""

    def setUp(self) -> None:
        super().setUp()
        ours, self.client = socket.socketpair()
        for sock in (ours, self.client):
            self.addCleanup(sock.close)
        ours.setblocking(False)
        self.conn = Connection(ours, "", ListeningSocket(ours, "", 0), 0.0)
        self.conn.is_prompt = True
        self.answered = 0
        self.watched: list[bool] = []

    def _serve(self, requests: int, other_client_at: int | None = None) -> int:
        """Return how many of *requests* a worker answers. Another client sends a request during number *other_client_at*."""

        def handle(conn: Connection) -> bool:
            self.answered += 1
            if self.answered < requests:
                self.client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if self.answered == other_client_at:
                worker.issue_ticket()
            return True

        worker = KeepAliveWorker(handle, HTTPLimits(), BodyBudget(1024), may_stay=True, max_stay_s=PATIENCE)
        self.assertTrue(worker.serve(self.conn, worker.issue_ticket(), self))
        return self.answered

    def watch_input(self, conn: Connection, enable: bool) -> None:
        """Record whether the event loop watches the connection."""
        self.watched.append(enable)

    def test_it_stays_until_no_request_follows(self) -> None:
        """Meanwhile the event loop does not watch the connection."""
        self.assertEqual(10, self._serve(10))
        self.assertEqual([False, True], self.watched)

    def test_it_leaves_when_another_client_sends_a_request(self) -> None:
        """A client that sends requests without a pause takes turns with all others."""
        self.assertEqual(4, self._serve(10, other_client_at=4))
        self.assertEqual([False, True], self.watched)

    def test_it_stays_only_with_prompt_clients(self) -> None:
        """The worker does not wait for a client whose last request came late."""
        self.conn.is_prompt = False
        self.assertEqual(1, self._serve(10))
        self.assertEqual([], self.watched)
