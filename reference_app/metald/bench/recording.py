"""Recording of the samples and failures that ``metald bench`` measures, and statistics over them."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

_MAX_REASON_LENGTH = 300
"""Maximum number of characters of a recorded failure reason. The rest is cut off."""


class OperationSample(NamedTuple):
    """Sample of one successful operation: its end, on the clock of the recording, and its duration. Both are in seconds."""

    ended: float
    seconds: float


@dataclass(frozen=True)
class OperationFigures:
    """Statistics of all samples and failures of one operation.

    Times are in seconds; median, p99 and longest cover only successes.

    *rate* is the number of successful operations per second of *seconds*, the time during which the operation ran.
    """

    operation: str
    count: int
    failures: int
    seconds: float
    rate: float
    median: float
    p99: float
    longest: float

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as a dict for JSON, with times rounded to microseconds."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


class Recording:
    """All samples and failures of one server under test, by operation.

    Client threads append samples without a lock, because ``list.append`` is atomic; a sample must cost almost nothing.
    """

    def __init__(self) -> None:
        self.samples: dict[str, list[OperationSample]] = {}
        self.failures: Counter[tuple[str, str]] = Counter()
        self._busy_s: dict[str, float] = {}
        self._resumed_at: float | None = None
        self._elapsed_before_s = 0.0
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Start the clock of the recording at the start of a round of its server."""
        self._resumed_at = time.perf_counter()

    def pause(self) -> None:
        """Stop the clock of the recording until the next round of its server."""
        self._elapsed_before_s, self._resumed_at = self.now(), None

    def now(self) -> float:
        """Return the seconds for which the bench has measured this server, without the pauses between its rounds."""
        return self._elapsed_before_s + (0.0 if self._resumed_at is None else time.perf_counter() - self._resumed_at)

    def add(self, operation: str, seconds: float) -> None:
        """Record a sample of *operation*, which has just succeeded and took *seconds*."""
        self.samples.setdefault(operation, []).append(OperationSample(self.now(), seconds))

    def add_failure(self, operation: str, reason: str) -> None:
        """Record a failure of *operation*. Failures with the same *reason* are counted together."""
        with self._lock:
            self.failures[operation, reason[:_MAX_REASON_LENGTH]] += 1

    def add_busy_time(self, operation: str, seconds: float) -> None:
        """Add *seconds* to the wall clock time during which clients ran *operation*. The rate is computed over this time."""
        with self._lock:
            self._busy_s[operation] = self._busy_s.get(operation, 0.0) + seconds

    @property
    def success_count(self) -> int:
        """Number of successful operations of all kinds."""
        return sum(map(len, list(self.samples.values())))

    @property
    def failure_count(self) -> int:
        """Number of failed operations of all kinds."""
        return sum(self.failures.values())

    def compute_figures(self) -> list[OperationFigures]:
        """Compute the statistics of each recorded operation from its samples and failures.

        The operations are in the order in which their first samples were recorded. Operations without a success come last.
        """
        operations = dict.fromkeys([*self.samples, *(operation for operation, _ in self.failures)])
        return [self._compute_figures_of(operation) for operation in operations]

    def _compute_figures_of(self, operation: str) -> OperationFigures:
        """Return the statistics of *operation*. Without a busy time, the rate covers the span from first start to last end."""
        samples = self.samples.get(operation, [])
        times = sorted(sample.seconds for sample in samples)
        seconds = self._busy_s.get(operation) or _compute_span(samples)
        return OperationFigures(
            operation=operation,
            count=len(times),
            failures=sum(count for (name, _), count in self.failures.items() if name == operation),
            seconds=seconds,
            rate=len(times) / seconds if seconds else 0.0,
            median=statistics.median(times) if times else 0.0,
            p99=quantile(times, 0.99),
            longest=times[-1] if times else 0.0,
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the element of *ordered* (ascending values) at the position *share* (0 to 1) of its length, or 0 if it is empty."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _compute_span(samples: Iterable[OperationSample]) -> float:
    """Return the seconds from the start of the first of *samples* to the end of the last one, or 0 without samples."""
    intervals = [(sample.ended - sample.seconds, sample.ended) for sample in samples]
    return max((end for _, end in intervals), default=0.0) - min((begin for begin, _ in intervals), default=0.0)
