"""One thread that does small things at given times: the pool, periodic work and polled steps share it."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from baremetal_sdk.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)


class Timed:
    """One thing to be done later; it can be cancelled until it has begun."""

    __slots__ = ("_function", "at", "cancelled")

    def __init__(self, at: float, function: Callable[[], Any]) -> None:
        self.at = at
        self._function: Callable[[], Any] | None = function
        self.cancelled = False

    def cancel(self) -> None:
        """Do not do it."""
        self.cancelled = True
        self._function = None

    def fire(self) -> None:
        """Do it now, unless it was cancelled. An error is logged: there is nobody to raise it to."""
        function, self._function = self._function, None
        if function is None:
            return
        try:
            function()
        except BaseException:
            LOG.exception("timed work failed")


class Timer:
    """Runs functions at times of its clock. They must be short: what takes longer belongs on a pool."""

    def __init__(self, name: str = "timer", clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._name = name
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = os.getpid()

    def after(self, seconds: float, function: Callable[[], Any]) -> Timed:
        """Call *function* in so many *seconds*; the thread starts with the first call.

        Raises ``RuntimeError`` when the system has no thread for it, and in a child of ``fork``, where there is none.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(f"timer '{self._name}' was made before this process was forked, and has no thread here")
        timed = Timed(self.clock.monotonic() + max(0.0, seconds), function)
        with self._changed:
            if self._closed:
                timed.cancel()
                return timed
            self._have_thread()
            heapq.heappush(self._heap, (timed.at, next(self._order), timed))
            self._changed.notify()
        return timed

    def fire_due(self) -> int:
        """Do what is due by the clock, in the caller's thread, and say how much that was. Tests turn the clock and call it."""
        fired = 0
        while (timed := self._pop_due()) is not None:
            timed.fire()
            fired += 1
        return fired

    def close(self) -> None:
        """Forget what is still to be done and end the thread."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _have_thread(self) -> None:
        """Start the thread, unless it runs. One that does not start leaves the timer as it was."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread

    def _pop_due(self) -> Timed | None:
        with self._changed:
            while self._heap and (self._heap[0][2].cancelled or self._heap[0][0] <= self.clock.monotonic()):
                timed = heapq.heappop(self._heap)[2]
                if not timed.cancelled:
                    return timed
            return None

    def _run(self) -> None:
        while True:
            self.fire_due()
            with self._changed:
                if self._closed:
                    return
                wait = self._heap[0][0] - self.clock.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
