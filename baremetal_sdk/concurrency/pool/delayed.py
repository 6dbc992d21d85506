"""Work that a lane is given later."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from baremetal_sdk.concurrency.timer import Timed
from baremetal_sdk.errors import NoFreeWorker

if TYPE_CHECKING:
    from baremetal_sdk.concurrency.pool.job import PoolFuture
    from baremetal_sdk.concurrency.pool.lane import Lane

LOG = logging.getLogger(__name__)


class Delayed:
    """A function that is to run on a lane later, in the context of whoever asked for it; it can be cancelled until it runs."""

    def __init__(self, lane: Lane, function: Callable[[], Any], seconds: float) -> None:
        self.cancelled = False
        self._lane = lane
        self._function = function
        self._context = contextvars.copy_context()
        self._future: PoolFuture[Any] | None = None
        self._timed: Timed = lane.pool.timer.after(seconds, self._submit)

    def cancel(self) -> None:
        """Do not run it. What runs already is left to run."""
        self.cancelled = True
        self._timed.cancel()
        if self._future is not None:
            self._future.cancel()

    def _submit(self) -> None:
        """Hand it over. A lane that is full then is tried again: what was accepted is not lost."""
        if self.cancelled or not self._lane.alive:
            return
        try:
            self._future = self._context.run(self._lane.submit, self._function)
        except NoFreeWorker as exc:
            LOG.warning("delayed work has to wait: %s", exc)
            self._timed = self._lane.pool.timer.after(exc.retry_after or 1.0, self._submit)
        if self.cancelled:
            self.cancel()
