"""A view of a pool for one of several users. Through it, a user waits for its own work and stops only that work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.concurrency.pool.elastic import ElasticPool
from baremetal_sdk.concurrency.pool.job import PoolFuture
from baremetal_sdk.concurrency.pool.lane import Lane
from baremetal_sdk.concurrency.pool.stragglers import Straggler
from baremetal_sdk.errors import NoFreeWorker

P = ParamSpec("P")
T = TypeVar("T")


class SharedPool:
    """One user's view of a pool. It offers the lanes of the pool, and tracks the work that this user submitted."""

    def __init__(self, pool: ElasticPool) -> None:
        self.closing = False
        """True if no more work is accepted through this object."""
        self._pool = pool
        self._all_done = YieldingLock().condition()
        self._futures: set[PoolFuture[Any]] = set()

    def __getitem__(self, lane: str) -> Lane:
        return SharedPoolLane(self._pool[lane], self)

    def drain(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until none of this user's work runs or is queued; return whether that was reached."""
        with self._all_done:
            return self._all_done.wait_for(lambda: not self._futures, min(timeout, threading.TIMEOUT_MAX))

    def close(self, timeout: float | None = None) -> list[Straggler]:
        """Accept no more work, ask running tasks to stop, and wait up to *timeout* seconds for this user's work.

        Without *timeout* the wait has no limit. After the wait, tasks that have not begun are cancelled, and those that still
        run are returned. The pool itself stays open for its other users.
        """
        with self._all_done:
            self.closing = True
            running = [future for future in self._futures if future.running()]
        for future in running:
            future.request_stop()
        self.drain(threading.TIMEOUT_MAX if timeout is None else timeout)
        with self._all_done:
            remaining = set(self._futures)
        for future in remaining:
            future.request_stop()
        return self._pool.stragglers(remaining)

    def submit_and_track(self, submit: Callable[[], PoolFuture[T]]) -> PoolFuture[T]:
        """Call *submit* and track the future that it returns until the future is done.

        Raises ``NoFreeWorker`` after :meth:`close`.
        """
        with self._all_done:
            if self.closing:
                raise NoFreeWorker(
                    f"work was not submitted to pool '{self._pool.name}': the part that shares it has stopped", retry_after=1.0
                )
            # Submitted under the lock: otherwise close() could miss a task that is accepted while it collects the futures.
            future = submit()
            self._futures.add(future)
        # Outside of the lock: a future that is already done calls back in this thread, and the lock is not reentrant.
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Any]) -> None:
        with self._all_done:
            self._futures -= {future}
            if not self._futures:
                self._all_done.notify_all()


class SharedPoolLane(Lane):
    """A lane of a shared pool. Limits, counters and all other attributes are those of the original lane."""

    def __init__(self, lane: Lane, shared_pool: SharedPool) -> None:
        # Lane.__init__ is not called: missing attributes are looked up in the original lane by __getattr__.
        self._lane = lane
        self._shared_pool = shared_pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Submit work to the lane, and track it as work of this user."""
        return self._shared_pool.submit_and_track(lambda: self._lane.submit(fn, *args, **kwargs))

    @property
    def alive(self) -> bool:
        """True if this user can submit work."""
        return self._lane.alive and not self._shared_pool.closing
