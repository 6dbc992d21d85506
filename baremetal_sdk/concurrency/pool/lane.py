"""A lane: an executor with its own limits in a shared pool, so that one kind of work cannot block another."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from baremetal_sdk.concurrency.pool.delayed import Delayed
from baremetal_sdk.concurrency.pool.job import Job, PoolFuture
from baremetal_sdk.concurrency.pool.statistics import Durations, LaneStatistics
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.errors import NoFreeWorker

P = ParamSpec("P")
T = TypeVar("T")


class Submitter(Protocol):
    """Interface to a pool, with the members that its lanes and their users need."""

    name: str
    max_workers: int
    timer: Timer

    @property
    def closing(self) -> bool:
        """True if the pool accepts no more work."""

    @property
    def forked(self) -> bool:
        """True in a child process of ``fork``, where the pool has no threads."""

    @property
    def idle(self) -> int:
        """Number of threads that wait for work."""

    def submit_job(self, job: Job[Lane]) -> PoolFuture[Any]:
        """Run or queue a job; raise ``NoFreeWorker`` if its lane is full."""

    def statistics_of(self, lane: Lane) -> LaneStatistics:
        """Return the statistics of a lane."""

    def begin_wait(self, waiter: Job[Any], target: Job[Any], until: float) -> None:
        """Record that a job waits *until* a time on the monotonic clock. Raise ``PoolDeadlock`` if *target* cannot run before."""


@dataclass(frozen=True)
class LaneLimits:
    """A lane's share of the pool: workers *reserved* for it, the maximum number of its workers (*cap*), and of queued jobs.

    *cpu_limit* is for CPU-bound work: at most this many jobs run at once, because more of them would compete for the
    interpreter. A job that runs longer than *slow_after* seconds, such as one that waits for a device, stops counting
    and lets one more job run, up to *cap*.
    """

    reserved: int = 0
    cap: int = 1_000_000
    queue: int = 1_000_000
    cpu_limit: int | None = None
    slow_after: float = 0.02

    def __post_init__(self) -> None:
        if not (0 <= self.reserved <= self.cap and self.cap >= 1 and self.queue >= 0 and self.cpu_limit != 0):
            raise ValueError(f"{self}: allowed are 0 <= reserved <= cap, cap >= 1, queue >= 0 and cpu_limit >= 1")


class Lane(Executor):
    """An executor on a share of a pool. Its ``shutdown`` does nothing, because the pool is shared.

    The pool's lock protects all attributes that change (the queue, the running jobs and the counters). Methods whose
    names end with ``_locked`` require that the caller holds it.
    """

    def __init__(self, pool: Submitter, name: str, limits: LaneLimits) -> None:
        self.pool = pool
        self.name = name
        self.limits = limits
        self.queue: deque[Job[Lane]] = deque()
        self.running: set[Job[Lane]] = set()
        """Jobs that run or are ready to run; filled only if the lane has a ``cpu_limit``."""
        self.busy = 0
        """Number of jobs that run or are ready to run."""
        self.refused = 0
        self.failures = 0
        self.cancelled = 0
        self.waits = Durations()
        """Seconds between submission and start of each job."""
        self.runs = Durations()
        """Seconds that each job ran."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Run *fn* on a worker, now or when one is free; raise ``NoFreeWorker`` if neither a worker nor the queue is free."""
        return self.pool.submit_job(Job(self, fn, args, kwargs))

    def after(self, seconds: float, function: Callable[[], Any]) -> Delayed:
        """Submit *function* in so many *seconds*, with the context variables of the caller. It can be cancelled until it runs.

        If the lane is full at that time, the function is submitted again later.
        """
        return Delayed(function, seconds, timer=self.pool.timer, submit=self.submit, is_alive=lambda: self.alive)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the lane belongs to the pool, and other users may hold it too."""

    @property
    def alive(self) -> bool:
        """True if the lane accepts work: the pool is not closing, and this is no forked child without its threads."""
        return not (self.pool.closing or self.pool.forked)

    @property
    def statistics(self) -> LaneStatistics:
        """Current load of the lane, and counters since its start."""
        return self.pool.statistics_of(self)

    def is_cpu_limited_locked(self) -> bool:
        """Return whether the running jobs reach the lane's ``cpu_limit``.

        A job that has run for longer than ``slow_after`` seconds does not count, because it mostly waits.
        """
        limit = self.limits.cpu_limit
        if limit is None or self.busy < limit:
            return False
        slow_if_before = time.monotonic() - self.limits.slow_after
        # A job that is ready but has not started has 0.0 in `started`: it counts, for it will need the CPU.
        return sum(1 for job in self.running if not 0.0 < job.started < slow_if_before) >= limit

    def statistics_locked(self, *, idle: int, low_water: int) -> LaneStatistics:
        """Return the statistics of this lane, with the numbers of the whole pool for *idle* and *low_water*."""
        return LaneStatistics(
            busy=self.busy,
            queued=len(self.queue),
            idle=idle,
            low_water=low_water,
            executed=self.runs.count,
            failures=self.failures,
            cancelled=self.cancelled,
            refused=self.refused,
            runtime=self.runs.total,
            wait=self.waits.quantiles(),
            run=self.runs.quantiles(),
        )

    def refuse_locked(self) -> NoFreeWorker:
        """Count a refusal and return its error, with the load of the lane and the time after which to retry."""
        self.refused += 1
        # Half of the jobs end within the median run time, so by then a retry has a chance.
        seconds = max(1.0, round(self.runs.quantiles().p50, 1))
        return NoFreeWorker(
            f"lane '{self.name}' of pool '{self.pool.name}' is full: {self.busy} busy, {len(self.queue)} queued, "
            f"limits {min(self.limits.cap, self.pool.max_workers)} and {self.limits.queue}; retry in {seconds:g} s",
            retry_after=seconds,
            lane=self.name,
            busy=self.busy,
            queued=len(self.queue),
            limit=min(self.limits.cap, self.pool.max_workers),
            queue_limit=self.limits.queue,
        )
