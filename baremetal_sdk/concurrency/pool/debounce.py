"""Something to be done a moment later."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from baremetal_sdk.concurrency.timer import Timed, Timer


class Debounced:
    """Does something after it was asked for, once for all who ask until then."""

    def __init__(self, timer: Timer, function: Callable[[], None]) -> None:
        self._timer, self._function = timer, function
        self._coming: Timed | None = None

    def after(self, seconds: float) -> None:
        """Ask for it. Where the timer has no thread now, the next one who asks sees to it."""
        if self._coming is None:
            with contextlib.suppress(RuntimeError):
                self._coming = self._timer.after(seconds, self._do)

    def cancel(self) -> None:
        """Do not do it."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()

    def _do(self) -> None:
        self._coming = None
        self._function()
