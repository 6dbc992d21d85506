"""What a lane counts, cheaply enough to be always on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

_PARTS = 4
_LOWEST, _HIGHEST = -24, 24
"""Powers of two, in seconds: from 60 ns to half a year."""
_BUCKETS = (_HIGHEST - _LOWEST + 1) * _PARTS


class Quantiles(NamedTuple):
    """Seconds that half, 90 % and 99 % of the tasks did not exceed; each at most a quarter too high. 0 without tasks."""

    p50: float
    p90: float
    p99: float


class Durations:
    """A histogram of durations with four buckets to each power of two. Whoever uses it holds a lock."""

    __slots__ = ("_buckets", "count", "total")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.total += seconds
        mantissa, exponent = math.frexp(seconds)
        index = (exponent - _LOWEST) * _PARTS + int((mantissa - 0.5) * 2 * _PARTS)
        self._buckets[index if 0 <= index < _BUCKETS else (0 if index < 0 else -1)] += 1

    def quantiles(self) -> Quantiles:
        """The quantiles of all that was counted."""
        return Quantiles(self._quantile(0.5), self._quantile(0.9), self._quantile(0.99))

    def _quantile(self, share: float) -> float:
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return _upper_bound(index)
        return 0.0


def _upper_bound(index: int) -> float:
    exponent, part = divmod(index, _PARTS)
    return math.ldexp(0.5 + (part + 1) / (2 * _PARTS), exponent + _LOWEST)


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
