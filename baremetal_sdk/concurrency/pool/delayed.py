"""Work that is submitted to a lane after a delay."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from baremetal_sdk.concurrency.pool.job import PoolFuture
from baremetal_sdk.concurrency.timer import ScheduledCall, Timer
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)


class Delayed:
    """A function that runs on a lane after a delay, with the context variables of its submitter. It can be cancelled."""

    def __init__(
        self,
        function: Callable[[], Any],
        seconds: float,
        *,
        timer: Timer,
        submit: Callable[[Callable[[], Any]], PoolFuture[Any]],
        is_alive: Callable[[], bool],
    ) -> None:
        """Schedule the call of *submit* with *function* in so many *seconds*. No call is made if *is_alive* is false by then."""
        self.cancelled = False
        self._function = function
        self._timer = timer
        self._submit_to_lane = submit
        self._is_alive = is_alive
        self._context = contextvars.copy_context()
        self._future: PoolFuture[Any] | None = None
        self._scheduled: ScheduledCall = timer.after(seconds, self._submit)

    def cancel(self) -> None:
        """Cancel the work. Work that already runs is not interrupted."""
        self.cancelled = True
        self._scheduled.cancel()
        if self._future is not None:
            self._future.cancel()

    def _submit(self) -> None:
        """Submit the function to the lane. If the lane is full, try again later: accepted work is not lost."""
        # A closed pool drops its delayed work without an error.
        if self.cancelled or not self._is_alive():
            return
        try:
            self._future = self._context.run(self._submit_to_lane, self._function)
        except NoFreeWorker as exc:
            LOG.warning("delayed work waits for its lane and will be submitted again: %s", exc)
            self._scheduled = self._timer.after(exc.retry_after or 1.0, self._submit)
        # cancel() may have run between the check above and the assignments, when it could not see what they set.
        if self.cancelled:
            self.cancel()
