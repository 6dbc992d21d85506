"""A lane: one bulkhead of a pool, and an executor that can be handed on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from baremetal_sdk.concurrency.pool.delayed import Delayed
from baremetal_sdk.concurrency.pool.job import Job, PoolFuture
from baremetal_sdk.concurrency.pool.statistics import Durations, LaneStatistics
from baremetal_sdk.errors import NoFreeWorker

if TYPE_CHECKING:
    from baremetal_sdk.concurrency.pool.elastic import ElasticPool

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class LaneLimits:
    """How much of the pool a lane may have: *reserved* workers are its own, *cap* is its most, *queue* waits beyond that.

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
    """Where work is submitted. Its ``shutdown`` only detaches: the pool lives on."""

    def __init__(self, pool: ElasticPool, name: str, limits: LaneLimits) -> None:
        self.pool = pool
        self.name = name
        self.limits = limits
        self.queue: deque[Job] = deque()
        self.running: set[Job] = set()
        """What runs or is just about to, in a brisk lane."""
        self.busy = 0
        self.refused = 0
        self.failures = 0
        self.cancelled = 0
        self.waits = Durations()
        self.runs = Durations()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Run *fn* on a worker, now or when one is free; raise ``NoFreeWorker`` when busy and queued work fill the lane."""
        return self.pool.submit_job(Job(self, fn, args, kwargs))

    def after(self, seconds: float, function: Callable[[], Any]) -> Delayed:
        """Submit *function* in so many *seconds*, in the context of now; it can be cancelled until it runs.

        Where the lane is full at that time it is tried again when there may be room.
        """
        return Delayed(self, function, seconds)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the lane belongs to the pool."""

    @property
    def alive(self) -> bool:
        """Whether work can be submitted."""
        return not (self.pool.closing or self.pool.forked)

    @property
    def statistics(self) -> LaneStatistics:
        """What the lane does now, and has done."""
        return self.pool.statistics_of(self)

    @property
    def is_crowded(self) -> bool:
        """Whether as much as a brisk lane may do at once runs, and will soon have ended."""
        brisk = self.limits.cpu_limit
        if brisk is None or self.busy < brisk:
            return False
        before = time.monotonic() - self.limits.slow_after
        return sum(1 for job in self.running if not 0.0 < job.started < before) >= brisk

    def counted(self, *, idle: int, low_water: int) -> LaneStatistics:
        """What was counted, with two figures of the whole pool. Whoever calls it holds the pool's lock."""
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

    def refusal(self) -> NoFreeWorker:
        """Count a refusal, and make the error that says why and when to come back."""
        self.refused += 1
        seconds = max(1.0, round(self.runs.quantiles().p50, 1))
        return NoFreeWorker(
            f"lane '{self.name}' of pool '{self.pool.name}' is full: {self.busy} busy, {len(self.queue)} queued, "
            f"limits {min(self.limits.cap, self.pool.max_workers)} and {self.limits.queue}; come back in {seconds:g} s",
            retry_after=seconds,
            lane=self.name,
            busy=self.busy,
            queued=len(self.queue),
            limit=min(self.limits.cap, self.pool.max_workers),
            queue_limit=self.limits.queue,
        )
