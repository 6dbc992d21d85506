"""One of those who share a pool: what it has submitted ends, or is given up, with it, and the pool lives on."""

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
    """Lanes of somebody else's pool, for one user who can wait for its own work, and take it back."""

    def __init__(self, pool: ElasticPool) -> None:
        self.closing = False
        """Whether it takes no more work."""
        self._pool = pool
        self._none_left = YieldingLock().condition()
        self._futures: set[PoolFuture[Any]] = set()

    def __getitem__(self, lane: str) -> Lane:
        return SharedPoolLane(self._pool[lane], self)

    def drain(self, timeout: float) -> bool:
        """Wait, at most *timeout* seconds, until nothing of its own runs or is queued; whether that was reached."""
        with self._none_left:
            return self._none_left.wait_for(lambda: not self._futures, min(timeout, threading.TIMEOUT_MAX))

    def close(self, timeout: float | None = None) -> list[Straggler]:
        """Take no more work, tell what runs to stop, and wait for it, at most *timeout* seconds; give back what runs on.

        What never began is cancelled at the end of the time.
        """
        with self._none_left:
            self.closing = True
            running = [future for future in self._futures if future.running()]
        for future in running:
            future.request_stop()
        self.drain(threading.TIMEOUT_MAX if timeout is None else timeout)
        with self._none_left:
            left = set(self._futures)
        for future in left:
            future.request_stop()
        return self._pool.stragglers(left)

    def add(self, submit: Callable[[], PoolFuture[T]]) -> PoolFuture[T]:
        """Submit something, and remember it until it has ended."""
        with self._none_left:
            if self.closing:
                raise NoFreeWorker(f"its user has left pool '{self._pool.name}'", retry_after=1.0)
            future = submit()
            self._futures.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[Any]) -> None:
        with self._none_left:
            self._futures -= {future}
            if not self._futures:
                self._none_left.notify_all()


class SharedPoolLane(Lane):
    """A lane as its guest has it: all that it is and counts is the lane's own."""

    def __init__(self, lane: Lane, guest: SharedPool) -> None:
        self._lane = lane
        self._guest = guest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Submit work of the guest's, as to the lane."""
        return self._guest.add(lambda: self._lane.submit(fn, *args, **kwargs))

    @property
    def alive(self) -> bool:
        """Whether the guest can submit work."""
        return self._lane.alive and not self._guest.closing
