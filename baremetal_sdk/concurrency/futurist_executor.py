"""A lane as users of futurist expect an executor. The only module that imports futurist (extra ``futurist``).

Importing futurist imports Eventlet where that is installed, which patches nothing by itself. A process that does not want
it there refuses the import first (``sys.modules["eventlet"] = None``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

import futurist

from baremetal_sdk.concurrency.pool import Lane, PoolFuture
from baremetal_sdk.errors import NoFreeWorker

P = ParamSpec("P")
T = TypeVar("T")


class FuturistExecutor(Executor):
    """Offers *lane* with futurist's executor protocol, for ``futurist.periodics.PeriodicWorker`` and the like.

    *check_and_reject* is called with this executor and its backlog before each submission, and may raise
    ``futurist.RejectedSubmission`` (see ``futurist.rejection``).

    A refused submission waits *pause_when_refused* seconds before it raises. ``PeriodicWorker`` tries what it was refused
    at its start again at once and logs each time; with a pause, a full lane does not make a hot loop of that. With 0 it
    raises at once: for callers that do something better than to try again.
    """

    def __init__(
        self,
        lane: Lane,
        check_and_reject: Callable[[FuturistExecutor, int], None] | None = None,
        *,
        pause_when_refused: float = 0.1,
    ) -> None:
        self._lane = lane
        self._check_and_reject = check_and_reject
        self._pause = pause_when_refused
        self._detached = threading.Event()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Run *fn* on the lane. Raises ``futurist.RejectedSubmission`` when it is full, ``RuntimeError`` after the end."""
        if not self.alive:
            raise RuntimeError(f"lane '{self._lane.name}': can not schedule new futures after being shutdown")
        try:
            if self._check_and_reject is not None:
                self._check_and_reject(self, self.queue_size)
            return self._lane.submit(fn, *args, **kwargs)
        except NoFreeWorker as exc:
            self._detached.wait(self._pause)
            raise futurist.RejectedSubmission(str(exc)) from exc
        except futurist.RejectedSubmission:
            self._detached.wait(self._pause)
            raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Detach: nothing more is submitted through this object. What was goes on, and the lane is its pool's."""
        self._detached.set()

    @property
    def alive(self) -> bool:
        """Whether work can be submitted."""
        return self._lane.alive and not self._detached.is_set()

    @property
    def statistics(self) -> futurist.ExecutorStatistics:
        """What the lane has done, for all who submit to it."""
        now = self._lane.statistics
        return futurist.ExecutorStatistics(
            failures=now.failures, executed=now.executed, runtime=now.runtime, cancelled=now.cancelled
        )

    @property
    def queue_size(self) -> int:
        """Tasks of the lane that wait for a worker."""
        return len(self._lane.queue)

    @property
    def num_workers(self) -> int:
        """Tasks of the lane that run: threads belong to the pool."""
        return self._lane.busy

    def get_num_idle_workers(self) -> int:
        """Threads of the pool that wait for work."""
        return self._lane.pool.idle
