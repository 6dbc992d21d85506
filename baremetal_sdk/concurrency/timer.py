"""A timer thread that calls short functions at given times, shared by the pool, periodic work and polled steps."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.concurrency.failures import log_failure
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)


class ScheduledCall:
    """A call that a timer makes at a given time. It can be cancelled until it begins."""

    __slots__ = ("_function", "at", "cancelled")

    def __init__(self, at: float, function: Callable[[], Any]) -> None:
        self.at = at
        self._function: Callable[[], Any] | None = function
        self.cancelled = False

    def cancel(self) -> None:
        """Cancel the call. Do nothing if it has begun."""
        self.cancelled = True
        # Released at once: the entry stays in the timer's heap until its time, and must not keep the function's data alive.
        self._function = None

    def fire(self) -> None:
        """Call the function now, unless it was cancelled. An error is logged, because the timer has no caller to raise it to."""
        function, self._function = self._function, None
        if function is None:
            return
        try:
            function()
        except BaseException as exc:
            log_failure(LOG, exc, "a scheduled call failed")


class Timer:
    """A thread that calls functions at times of a clock. Functions have to be short; longer work belongs on a pool.

    Thread-safe.
    """

    def __init__(self, name: str = "timer", clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._name = name
        # Time, number and call: the numbers keep calls of one time in order, and calls themselves from being compared.
        self._heap: list[tuple[float, int, ScheduledCall]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = os.getpid()

    def after(self, seconds: float, function: Callable[[], Any]) -> ScheduledCall:
        """Schedule a call of *function* on the timer's thread in *seconds*, and return it, for example to cancel it.

        The first use starts the thread. After :meth:`close`, *function* is not called, and the returned call is cancelled.

        Raises ``RuntimeError`` if the system cannot start the thread, and in a child process of ``fork``, which has no
        copy of the thread.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"timer '{self._name}' was made before this process was forked and has no thread here; make a timer in the child"
            )
        call = ScheduledCall(self.clock.monotonic() + max(0.0, seconds), function)
        with self._changed:
            if self._closed:
                call.cancel()
                return call
            self._ensure_thread_locked()
            heapq.heappush(self._heap, (call.at, next(self._order), call))
            self._changed.notify()
        return call

    def fire_due(self) -> int:
        """Make the calls that are due, in the caller's thread, and return their number.

        Tests use it: they advance a manual clock and then call this method.
        """
        count = 0
        while (call := self._pop_due()) is not None:
            call.fire()
            count += 1
        return count

    def close(self) -> None:
        """Drop all pending calls, end the thread, and wait up to one second for its end."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
        # A scheduled call may close its own timer, and a thread cannot join itself.
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _ensure_thread_locked(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            # Assigned after the start: if the start fails, the next call tries again.
            self._thread = thread

    def _pop_due(self) -> ScheduledCall | None:
        """Remove and return the next call that is due, or return None. Cancelled calls are dropped."""
        with self._changed:
            while self._heap and (self._heap[0][2].cancelled or self._heap[0][0] <= self.clock.monotonic()):
                call = heapq.heappop(self._heap)[2]
                if not call.cancelled:
                    return call
            return None

    def _run(self) -> None:
        while True:
            self.fire_due()
            with self._changed:
                if self._closed:
                    return
                wait = self._heap[0][0] - self.clock.monotonic() if self._heap else None
                # A call may have become due, or been added, since fire_due() gave up the lock: then do not wait.
                if wait is None or wait > 0:
                    self._changed.wait(wait)
