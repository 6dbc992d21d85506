"""Workers that wait for clients to read: some may, never all of them."""

from __future__ import annotations

import select
import threading
import time

from baremetal_sdk.http.connection import Connection
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import ClientGone


class SlowReaderLimit:
    """Lets at most *most* workers wait until a client has read what was made for it; a client beyond that is cut.

    It is for answers in pieces that are larger together than what is kept for one client; other answers never wait.
    """

    def __init__(self, most: int, limits: HTTPLimits) -> None:
        self._slots = threading.BoundedSemaphore(most)
        self._limits = limits

    def wait(self, conn: Connection) -> None:
        """Send until half of what may be kept is left. Raises :class:`ClientGone` for a client that is too slow."""
        if not self._slots.acquire(blocking=False):
            raise ClientGone("it reads slowly, and so many do that no worker is left to wait for it")
        try:
            began, before = time.monotonic(), conn.output.sent
            poller = select.poll()
            poller.register(conn.fd, select.POLLOUT)
            while conn.output.pending > self._limits.unsent_of_one // 2:
                seconds = self._limits.grace + (conn.output.sent - before) / self._limits.rate - (time.monotonic() - began)
                if seconds <= 0:
                    raise ClientGone("it read its answer too slowly")
                poller.poll(max(1, int(min(seconds, 1.0) * 1000)))
                conn.output.flush()
        finally:
            self._slots.release()
