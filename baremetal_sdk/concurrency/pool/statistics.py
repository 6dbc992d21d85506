"""Statistics of a lane: counters, and histograms of the times for which jobs wait and run. They are always recorded."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

_BUCKETS_PER_POWER = 4
_MIN_EXPONENT, _MAX_EXPONENT = -24, 24
"""Powers of two, in seconds: from 60 ns to half a year."""
_BOUNDS_S = tuple(
    math.ldexp(1 + part / _BUCKETS_PER_POWER, exponent - 1)
    for exponent in range(_MIN_EXPONENT, _MAX_EXPONENT + 1)
    for part in range(_BUCKETS_PER_POWER)
)
"""Lower bound, in seconds, of each bucket but the first."""


class Quantiles(NamedTuple):
    """Durations in seconds that 50 %, 90 % and 99 % of the jobs did not exceed.

    Each is up to a quarter higher than the true quantile. All are 0 if no duration was recorded.
    """

    p50: float
    p90: float
    p99: float


class Durations:
    """A histogram of durations with four buckets for each power of two. Not thread-safe: the caller holds a lock."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self._buckets = [0] * (len(_BOUNDS_S) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Add one duration to the histogram and to the total."""
        self._buckets[bisect_right(_BOUNDS_S, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """Number of durations."""
        return sum(self._buckets)

    def quantiles(self) -> Quantiles:
        """Return the quantiles of all recorded durations."""
        count = self.count
        return Quantiles(self._quantile(0.5 * count), self._quantile(0.9 * count), self._quantile(0.99 * count))

    def _quantile(self, rank: float) -> float:
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= rank:
                return _BOUNDS_S[min(index, len(_BOUNDS_S) - 1)]
        return 0.0


@dataclass(frozen=True)
class LaneStatistics:
    """Snapshot of a lane. *executed*, *failures*, *cancelled*, *refused* and *runtime* (seconds) count since the start.

    *busy* is the number of jobs that run or are ready to run, and *queued* the number of jobs in the queue. *wait* describes
    the times from submission to start, *run* the times from start to end. *idle* and *low_water* describe the whole pool,
    because idle workers belong to no lane: the current number of idle workers, and their lowest number since the pool last
    shrank.
    """

    busy: int
    queued: int
    idle: int
    low_water: int
    executed: int
    failures: int
    cancelled: int
    refused: int
    runtime: float
    wait: Quantiles
    run: Quantiles

    @property
    def average_runtime(self) -> float:
        """Average run time of a task, in seconds."""
        return self.runtime / self.executed if self.executed else 0.0
