"""Adapter from a lane to the executor protocol of futurist. No other module imports futurist (extra ``futurist``).

If Eventlet is installed, importing futurist imports Eventlet, which alone patches nothing. A process that must not load
Eventlet blocks the import beforehand with ``sys.modules["eventlet"] = None``.
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
    """Adapter from a lane to futurist's executor protocol, for users such as ``futurist.periodics.PeriodicWorker``.

    *check_and_reject* is called with this executor and the length of its queue before each submission, and may raise
    ``futurist.RejectedSubmission`` (see ``futurist.rejection``).

    A refused submission waits *pause_when_refused* seconds before it raises. ``PeriodicWorker`` retries a refused
    submission at once and logs each attempt, so without a pause a full lane would lead to a busy loop. Callers that do
    not retry at once set the pause to 0.
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
        """Run *fn* on the lane.

        Raises ``futurist.RejectedSubmission`` if the lane is full, and ``RuntimeError`` after :meth:`shutdown` or the end of
        the pool.
        """
        if not self.alive:
            # The words of futurist's own executors.
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
        """Accept no more submissions through this object, and return at once. Submitted work continues; the lane stays open."""
        self._detached.set()

    @property
    def alive(self) -> bool:
        """True if work can be submitted: neither this executor nor the pool has been shut down."""
        return self._lane.alive and not self._detached.is_set()

    @property
    def statistics(self) -> futurist.ExecutorStatistics:
        """Counters of the lane, over all its users."""
        counters = self._lane.statistics
        return futurist.ExecutorStatistics(
            failures=counters.failures,
            executed=counters.executed,
            runtime=counters.runtime,
            cancelled=counters.cancelled,
        )

    @property
    def queue_size(self) -> int:
        """Number of the lane's tasks that wait for a worker."""
        return len(self._lane.queue)

    @property
    def num_workers(self) -> int:
        """Number of the lane's tasks that run. Futurist expects a number of threads, but threads belong to the pool."""
        return self._lane.busy

    def get_num_idle_workers(self) -> int:
        """Return the number of the pool's threads that wait for work."""
        return self._lane.pool.idle
