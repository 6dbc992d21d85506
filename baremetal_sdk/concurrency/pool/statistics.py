"""What a lane counts, cheaply enough to be always on."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

_PARTS = 4
_LOWEST, _HIGHEST = -24, 24
"""Powers of two, in seconds: from 60 ns to half a year."""
_BOUNDS = tuple(
    math.ldexp(1 + part / _PARTS, exponent - 1) for exponent in range(_LOWEST, _HIGHEST + 1) for part in range(_PARTS)
)
"""The least seconds that each bucket but the first counts."""


class Quantiles(NamedTuple):
    """Seconds that half, 90 % and 99 % of the tasks did not exceed; each at most a quarter too high. 0 without tasks."""

    p50: float
    p90: float
    p99: float


class Durations:
    """A histogram of durations with four buckets to each power of two. Whoever uses it holds a lock."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[bisect_right(_BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self._buckets)

    def quantiles(self) -> Quantiles:
        """The quantiles of all that was counted."""
        count = self.count
        return Quantiles(self._quantile(0.5 * count), self._quantile(0.9 * count), self._quantile(0.99 * count))

    def _quantile(self, wanted: float) -> float:
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return _BOUNDS[min(index, len(_BOUNDS) - 1)]
        return 0.0


@dataclass(frozen=True)
class LaneStatistics:
    """A lane at one moment. *executed*, *failures*, *cancelled*, *refused* and *runtime* (seconds) count since the start.

    *idle* and *low_water* are of the whole pool, whose idle workers belong to no lane: how many there are, and the fewest
    that there were since the pool last looked for workers to end.
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
        """Seconds that a task ran, on average."""
        return self.runtime / self.executed if self.executed else 0.0
