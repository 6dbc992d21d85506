"""Limit on the number of workers that wait for clients that read slowly."""

from __future__ import annotations

import select
import threading
import time

from baremetal_sdk.http.connection import Connection
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import ClientGone

_MAX_POLL_S = 1.0


class SlowReaderLimit:
    """Limit of *max_workers* workers that wait for slow clients at a time. Further slow clients are disconnected. Thread-safe.

    Only responses in pieces need this: responses that the application generates and that exceed the buffer of one client. The
    event loop sends all other responses without a worker.
    """

    def __init__(self, max_workers: int, limits: HTTPLimits) -> None:
        self._slots = threading.BoundedSemaphore(max_workers)
        self._limits = limits

    def wait(self, conn: Connection) -> None:
        """Send output of *conn* and block until its buffer is half empty.

        Raises :class:`ClientGone` if the client reads too slowly, or at once if *max_workers* workers wait already.
        """
        if not self._slots.acquire(blocking=False):
            raise ClientGone("the client reads slowly, and the limit of workers that wait for slow clients is reached")
        try:
            started, sent_before = time.monotonic(), conn.output.sent
            poller = select.poll()
            poller.register(conn.fd, select.POLLOUT)
            while conn.output.pending > self._limits.max_unsent_bytes_per_client // 2:
                allowed_s = self._limits.grace_period_s + (conn.output.sent - sent_before) / self._limits.min_bytes_per_s
                left_s = allowed_s - (time.monotonic() - started)
                if left_s <= 0:
                    raise ClientGone("the client read its response too slowly")
                poller.poll(max(1, int(min(left_s, _MAX_POLL_S) * 1000)))
                conn.output.flush()
        finally:
            self._slots.release()
