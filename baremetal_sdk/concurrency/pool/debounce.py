"""Debouncing: many requests for a call within a short time lead to one call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from baremetal_sdk.concurrency.timer import ScheduledCall, Timer


class Debounced:
    """A function that a timer calls once after a delay, however often the call was requested in that time.

    Not thread-safe: the callers of :meth:`after` hold a common lock, such as the lock of the pool.
    """

    def __init__(self, timer: Timer, function: Callable[[], None]) -> None:
        self._timer, self._function = timer, function
        self._pending: ScheduledCall | None = None

    def after(self, seconds: float) -> None:
        """Request a call in so many *seconds*, unless a call is already pending.

        If the timer cannot start its thread, the request is dropped; the next request tries again.
        """
        if self._pending is None:
            with contextlib.suppress(RuntimeError):
                self._pending = self._timer.after(seconds, self._call)

    def cancel(self) -> None:
        """Cancel the pending call, if any."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def _call(self) -> None:
        # Cleared before the call, so that the function may request the next one.
        self._pending = None
        self._function()
