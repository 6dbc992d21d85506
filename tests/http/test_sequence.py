"""Requests that follow one upon the other: a worker that stays with their client serves them as any other would."""

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
from tests.http.test_framing import POST, REFUSED, SMUGGLED

_SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")
_ENOUGH = 3
"""Requests within one job of the pool, after which a worker is known to stay."""


class Forgetful(SmallApplication):
    """Tells in each answer what it finds in the context, and leaves the path there."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        before = _SEEN.get()
        _SEEN.set(environ["PATH_INFO"])
        yield from super().__call__(environ, start_response)
        assert before == "nothing"


def executed(server: HTTPServer) -> int:
    """Jobs that have ended on the threads for requests."""
    assert server.pool is not None
    return server.pool["requests"].statistics.executed


class TestSequence(ServerTestCase):
    config = dataclasses.replace(ServerTestCase.config, min_threads=2)

    def _accompanied(self, server: HTTPServer | None = None) -> Client:
        """A client that asks until a worker stays with it."""
        client, ended, alone = self.client(server), Deadline.after(PATIENCE), 0
        while alone < _ENOUGH:
            ended.check("a worker to stay with a client")
            before = executed(server or self.server)
            self.assertTrue(client.get("/ask").answer().endswith(b"/ask http "))
            alone = alone + 1 if executed(server or self.server) == before else 0
        return client

    def test_a_worker_stays_for_a_moment(self) -> None:
        """Whoever asks in sequence finds the same worker, which leaves when no more comes; then another one serves."""
        client = self._accompanied()
        assert self.server.pool is not None
        self.assertTrue(self.server.pool.drain(PATIENCE))
        self.assertTrue(client.get("/later").answer().endswith(b"/later http "))

    def test_where_one_thread_is_all_it_stays_with_nobody(self) -> None:
        """Nobody waits for a thread that waits."""
        server = self.configured(min_threads=1)
        client = self.client(server)
        for _ in range(20):
            client.get().answer()
        client.close()
        assert server.pool is not None
        self.assertTrue(server.pool.drain(PATIENCE))
        self.assertEqual(20, executed(server))

    def test_what_can_be_read_in_two_ways_is_refused_there_too(self) -> None:
        """Once, with the end of the connection, and whatever comes behind it."""
        for name, data in REFUSED.items():
            client = self._accompanied()
            answers = client.send(data + SMUGGLED).rest()
            self.assertTrue(re.match(rb"HTTP/1\.1 (400|501|505|413) ", answers), (name, answers[:200]))
            self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 \d\d\d ", answers)), name)
        self.assertEqual({"GET /ask"}, set(self.app.served))

    def test_requests_in_pieces_are_awaited_elsewhere(self) -> None:
        """However a request is cut, and whatever comes behind it, it is the same request."""
        plain = POST + b"Content-Length: 5\r\n\r\nhello"
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        for data in (plain, chunked):
            for cut in (1, len(POST) - 1, len(data) - 7, len(data)):
                client = self._accompanied()
                client.send(data[:cut])
                client.send(data[cut:] + data).get("/last", "Connection: close")
                answers = client.rest()
                self.assertEqual(2, answers.count(b"/p http hello"), (data, cut))
                self.assertTrue(answers.endswith(b"/last http "))

    def test_a_client_that_asks_is_told_to_go_on(self) -> None:
        """Its body comes once it was told."""
        client = self._accompanied().send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b"100 Continue", client.answer())
        self.assertTrue(client.send(b"ok").answer().endswith(b"/p http ok"))

    def test_who_leaves_is_let_go(self) -> None:
        """Its connection is closed."""
        self._accompanied().close()
        ended = Deadline.after(PATIENCE)
        while self.server.connections:
            ended.check("a connection to be closed")

    def test_requests_do_not_share_a_context(self) -> None:
        """What one leaves in its context the next does not find."""
        self.app = Forgetful()
        self._accompanied(self.serve(self.config))

    def test_a_stop_ends_it(self) -> None:
        """The server does not wait for a client that goes on asking."""
        client, answers = self._accompanied(), []

        def ask() -> None:
            while answer := client.get("/again").answer():
                answers.append(answer)

        asking = threading.Thread(target=ask)
        asking.start()
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        asking.join(PATIENCE)
        self.assertFalse(asking.is_alive())
        self.assertEqual([], [answer for answer in answers if not answer.endswith(b"/again http ")])


class TestTurns(testtools.TestCase):
    """A worker whose client has sent its next request by the time that the last one is answered."""

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

    def _answering(self, requests: int, turn_of_others: int | None = None) -> int:
        """Requests that a worker answers of so many, where somebody else asks during one of them."""

        def answer(conn: Connection) -> bool:
            self.answered += 1
            if self.answered < requests:
                self.client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if self.answered == turn_of_others:
                sequences.issue_ticket()
            return True

        sequences = KeepAliveWorker(answer, HTTPLimits(), BodyBudget(1024), may_stay=True, max_stay_s=PATIENCE)
        self.assertTrue(sequences.serve(self.conn, sequences.issue_ticket(), self))
        return self.answered

    def watch_input(self, conn: Connection, enable: bool) -> None:
        """Note whether somebody else is to look at what arrives."""
        self.watched.append(enable)

    def test_it_stays_until_no_more_comes(self) -> None:
        """While it does, nobody else looks at the connection."""
        self.assertEqual(10, self._answering(10))
        self.assertEqual([False, True], self.watched)

    def test_it_leaves_when_somebody_else_has_asked(self) -> None:
        """A client that asks and asks takes turns with all others."""
        self.assertEqual(4, self._answering(10, turn_of_others=4))
        self.assertEqual([False, True], self.watched)

    def test_it_stays_with_the_prompt_alone(self) -> None:
        """A client that took its time before is not waited for."""
        self.conn.is_prompt = False
        self.assertEqual(1, self._answering(10))
        self.assertEqual([], self.watched)
