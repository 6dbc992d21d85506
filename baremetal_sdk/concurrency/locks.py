"""A lock for short sections that many threads enter many thousand times a second."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import cast

PAUSE = 0.00005
"""Seconds between two looks at a lock that is held for longer than it should be."""


class YieldingLock:
    """A lock that only a thread which runs can take.

    One that waits for a ``threading.Lock`` gets it in its sleep, and then waits for the interpreter, up to the switch interval
    of 5 ms, with the lock in its hand. Whoever has the interpreter runs into the lock and has to give way, and so does the next
    one: from then on each section costs two changes of threads, ten times what it does (a lock convoy). Here a thread that finds
    the lock taken gives up the interpreter, which is what the holder lacks, and tries again when it has it back.
    """

    __slots__ = ("_lock", "_take", "release")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._take = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> None:
        if not self._take(False):
            self._wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; whether it was taken, which only without *blocking* may not be."""
        if not self._take(False):
            if not blocking:
                return False
            self._wait()
        return True

    def condition(self) -> threading.Condition:
        """A condition that is entered with this lock."""
        return threading.Condition(cast(threading.Lock, self))

    def _wait(self) -> None:
        pause = 0.0
        while not self._take(False):
            time.sleep(pause)
            pause = PAUSE
