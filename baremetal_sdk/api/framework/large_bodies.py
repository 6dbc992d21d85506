"""Memory budget of the large request bodies in a process, such as those with config drives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from baremetal_interfaces import Busy

_RETRY_AFTER_S = 5.0


class LargeBodies:
    """Budget of *max_bytes* that the large bodies in the process share. Thread-safe.

    A body larger than the budget is processed alone. At most *max_waiting* requests wait, because each occupies a thread.
    """

    def __init__(self, max_bytes: int, *, max_waiting: int, timeout: float) -> None:
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._freed = threading.Condition()
        self._waiting = 0
        self.used = 0
        """Bytes of the bodies that are processed now."""

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Take *size* bytes of the budget for the block, and wait for them if necessary.

        Raises ``Busy`` if they are not free before the deadline of the request, or if too many requests wait.
        """
        deadline = time.monotonic() + self._timeout
        with self._freed:
            if not self._fits(size):
                self._wait(size, deadline)
            self.used += size
        try:
            yield
        finally:
            with self._freed:
                self.used -= size
                self._freed.notify_all()

    def _wait(self, size: int, deadline: float) -> None:
        if self._waiting >= self._max_waiting:
            raise self._build_error()
        self._waiting += 1
        try:
            if not self._freed.wait_for(lambda: self._fits(size), deadline - time.monotonic()):
                raise self._build_error()
        finally:
            self._waiting -= 1

    def _fits(self, size: int) -> bool:
        return self.used == 0 or self.used + size <= self._max_bytes

    def _build_error(self) -> Busy:
        return Busy(
            f"the service processes too many large requests at this time; the limit is {self._max_bytes} bytes; try again later",
            retry_after=_RETRY_AFTER_S,
        )
