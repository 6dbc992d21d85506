"""A lock for short sections that many threads enter many thousand times per second."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import cast

RETRY_INTERVAL_S = 0.00005
"""Seconds between two attempts to acquire a lock that is held for longer than a short section."""


class YieldingLock:
    """A lock that only a running thread acquires, never a sleeping one. It avoids lock convoys.

    A thread that waits for a ``threading.Lock`` receives the lock while it sleeps. It then waits for the interpreter, up
    to the switch interval of 5 ms, while it holds the lock. The running thread soon needs the lock, blocks, and gives up
    the interpreter, and so does each thread after it. From then on each section costs two thread switches, ten times the
    cost of the section itself: a lock convoy. A thread that finds this lock taken yields the interpreter, which the
    holder may need to continue, and tries again when it runs next.

    Not reentrant and not fair.
    """

    __slots__ = ("_acquire", "_lock", "release")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Bound once, which saves attribute lookups in each section.
        self._acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> None:
        if not self._acquire(False):
            self._retry_until_acquired()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def acquire(self, blocking: bool = True) -> bool:
        """Acquire the lock and return True. Without *blocking*, return False if the lock is taken."""
        if not self._acquire(False):
            if not blocking:
                return False
            self._retry_until_acquired()
        return True

    def condition(self) -> threading.Condition:
        """Return a new condition that uses this lock."""
        return threading.Condition(cast(threading.Lock, self))

    def _retry_until_acquired(self) -> None:
        # sleep(0) only yields the interpreter. If that was not enough, the holder is in a long section, and
        # the pause keeps this thread from using the CPU for nothing.
        pause = 0.0
        while not self._acquire(False):
            time.sleep(pause)
            pause = RETRY_INTERVAL_S
