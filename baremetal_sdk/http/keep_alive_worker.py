"""Worker that serves several requests of one connection in sequence, while no other client sends a request.

Passing a request to a worker and its connection back costs two thread switches. A client that waits for each response before
it sends the next request would notice them every time.
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

PROMPT_REQUEST_S = 0.002
"""A client is prompt if its next request arrives within this time after a response. A worker waits no longer than this."""
MAX_STAY_S = 0.1
"""Maximum seconds that a worker stays with one client."""


class InputWatcher(Protocol):
    """Watcher for input of connections, such as the event loop."""

    def watch_input(self, conn: Connection, enable: bool) -> None:
        """Start or stop watching *conn* for input. A start also reports input that arrived before it."""


class KeepAliveWorker:
    """Server of requests on a worker. After a response the worker may stay and wait for the client's next request.

    *handle* answers a request and returns whether the connection can stay open. One worker at a time stays, and only with a
    prompt client. It leaves when another client has sent a request, or after *max_stay_s* seconds. It takes complete requests
    only: all other input stays in the buffer for the event loop, which has deadlines and sends errors. Without *may_stay*, no
    worker stays, because the pool has no other thread to serve requests.
    """

    def __init__(
        self,
        handle: Callable[[Connection], bool],
        limits: HTTPLimits,
        budget: BodyBudget,
        *,
        may_stay: bool,
        max_stay_s: float = MAX_STAY_S,
    ) -> None:
        self._handle = handle
        self._limits, self._budget = limits, budget
        self._may_stay, self._max_stay_s = may_stay, max_stay_s
        self._last_ticket = 0
        self._stay_lock = threading.Lock()

    def issue_ticket(self) -> int:
        """Count a new request and return its ticket number. Only the event loop calls this, so it needs no lock.

        A worker whose ticket is no longer the last one knows that another client has sent a request.
        """
        self._last_ticket += 1
        return self._last_ticket

    def serve(self, conn: Connection, ticket: int, watcher: InputWatcher) -> bool:
        """Answer the request of *conn*, and further requests while the worker stays. Return whether the connection can stay open.

        *ticket* is the number that :meth:`issue_ticket` returned for the request. While the worker stays, *watcher* does not
        watch *conn*.
        """
        # Each request runs in a copy of the same context, so that no request finds variables of the one before.
        context = contextvars.copy_context()
        keep_alive = context.copy().run(self._handle, conn)
        if not (keep_alive and self._can_stay(conn, ticket)) or not self._stay_lock.acquire(blocking=False):
            return keep_alive
        # Otherwise the next request would wake the event loop, too.
        watcher.watch_input(conn, False)
        try:
            until = time.monotonic() + self._max_stay_s
            while keep_alive and self._can_stay(conn, ticket) and time.monotonic() < until and self._receive_request(conn):
                keep_alive = context.copy().run(self._handle, conn)
        finally:
            self._stay_lock.release()
            watcher.watch_input(conn, True)
        return keep_alive

    def _can_stay(self, conn: Connection, ticket: int) -> bool:
        # The event loop reads input that is buffered already and sends the rest of a response, so both end the stay.
        return self._may_stay and conn.is_prompt and ticket == self._last_ticket and not conn.buffer and not conn.output.pending

    def _receive_request(self, conn: Connection) -> bool:
        """Wait up to ``PROMPT_REQUEST_S`` for the next request. Return whether a complete one arrived, now the current one."""
        poller = select.poll()
        poller.register(conn.fd, select.POLLIN | select.POLLRDHUP)
        if not poller.poll(1000 * PROMPT_REQUEST_S):
            return False
        # One read: a request that needs more of them is incomplete here and goes to the event loop.
        try:
            conn.receive()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            conn.has_unread_input = True  # the event loop reads the same error and closes the connection
            return False
        return self._take_request(conn)

    def _take_request(self, conn: Connection) -> bool:
        """Take a complete request off the buffer. If it is incomplete or invalid, change nothing and return False."""
        buffer = conn.buffer.copy()
        try:
            head = take_head(buffer, 0, self._limits)
            if head is None:
                return False
            body = RequestBody(head, self._limits, self._budget)
            if not (body.is_complete or body.feed(buffer)):
                body.close()
                return False
        except HTTPError:
            return False  # the event loop parses the buffer again and sends the error
        conn.discard_request()
        conn.requests_served += 1
        conn.buffer, conn.head, conn.body = buffer, head, body
        return True
