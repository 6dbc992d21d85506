"""Requests that follow one upon the other: a worker stays with a client that asks them, for as long as nobody else asks.

To hand a request over to a worker and its connection back takes two switches of threads, which a client that waits for one answer
before it asks again would feel each time.
"""

from __future__ import annotations

import contextvars
import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Protocol

from baremetal_sdk.http.body import RequestBody
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.request_head import HTTPError, take_head

PROMPT = 0.002
"""Seconds after an answer in which the next request has to come for its client to count as prompt; a worker waits no longer."""
LONGEST = 0.1
"""Seconds that a worker stays, in all."""


class InputWatcher(Protocol):
    """Whoever looks at what arrives while no worker does."""

    def watch(self, conn: Connection, wanted: bool) -> None:
        """Look at what arrives on *conn*, or leave that to a worker; what has arrived by then counts."""


class KeepAliveWorker:
    """Answers requests with *answer*, which tells whether the connection can stay open, and waits for the next where that pays.

    One worker at a time stays, and only with a client that was prompt before; it leaves when anybody else has asked. Whatever is
    not a request as a whole is left on the connection as it came, for whoever reads otherwise.
    """

    def __init__(
        self,
        answer: Callable[[Connection], bool],
        limits: HTTPLimits,
        room: BodyBudget,
        *,
        may_stay: bool,
        longest: float = LONGEST,
    ) -> None:
        self._answer = answer
        self._limits, self._room = limits, room
        self._may_stay, self._longest = may_stay, longest
        self._turn = 0
        self._staying = threading.Lock()

    def next_turn(self) -> int:
        """Note that somebody asks; the number of this turn. One thread alone calls it."""
        self._turn += 1
        return self._turn

    def serve(self, conn: Connection, turn: int, watcher: InputWatcher) -> bool:
        """Answer the request of *conn*, and those that follow upon it; tell whether the connection can stay open."""
        context = contextvars.copy_context()
        keep = context.copy().run(self._answer, conn)
        if not (keep and self._stays(conn, turn)) or not self._staying.acquire(blocking=False):
            return keep
        watcher.watch(conn, False)
        try:
            until = time.monotonic() + self._longest
            while keep and self._stays(conn, turn) and time.monotonic() < until and self._follows(conn):
                keep = context.copy().run(self._answer, conn)
        finally:
            self._staying.release()
            watcher.watch(conn, True)
        return keep

    def _stays(self, conn: Connection, turn: int) -> bool:
        return self._may_stay and conn.prompt and turn == self._turn and not conn.buffer and not conn.output.pending

    def _follows(self, conn: Connection) -> bool:
        """Wait for the next request; tell whether it is there as a whole."""
        arrivals = select.poll()
        arrivals.register(conn.fd, select.POLLIN | select.POLLRDHUP)
        if not arrivals.poll(1000 * PROMPT):
            return False
        try:
            conn.receive()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            conn.missed = True  # whoever looks at it next finds the same
            return False
        return self._take(conn)

    def _take(self, conn: Connection) -> bool:
        """Take a request off the buffer if it is there as a whole; otherwise leave everything as it is."""
        buffer = conn.buffer.copy()
        try:
            head = take_head(buffer, 0, self._limits)
            if head is None:
                return False
            body = RequestBody(head, self._limits, self._room)
            if not (body.complete or body.feed(buffer)):
                body.close()
                return False
        except HTTPError:
            return False
        conn.drop_request()
        conn.requests += 1
        conn.buffer, conn.head, conn.body = buffer, head, body
        return True
