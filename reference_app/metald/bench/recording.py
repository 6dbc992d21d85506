"""What was measured, kept as it happens and summed up at the end."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

_REASON = 300
"""Characters of a failure's reason that are kept."""


class Sample(NamedTuple):
    """One operation that succeeded: when it ended (seconds from the beginning), and how long it took."""

    ended: float
    seconds: float


@dataclass(frozen=True)
class Figures:
    """One kind of operation, in all: times in seconds, *rate* per second from the first begin to the last end."""

    operation: str
    count: int
    failures: int
    seconds: float
    rate: float
    median: float
    p99: float
    longest: float

    def described(self) -> dict[str, Any]:
        """As plain data."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


class Recording:
    """All of one server. Threads append; a list's append needs no lock, and that is all that a measured operation pays for."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.failures: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self._busy: dict[str, float] = {}
        self._begun: float | None = None
        self._before = 0.0
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Time goes on: the server's turn begins."""
        self._begun = time.perf_counter()

    def pause(self) -> None:
        """The turn is over: what the other server does is not this one's time."""
        self._before, self._begun = self.now(), None

    def now(self) -> float:
        """Seconds of this server's turns."""
        return self._before + (0.0 if self._begun is None else time.perf_counter() - self._begun)

    def add(self, operation: str, seconds: float) -> None:
        """An operation has just ended well."""
        self.samples.setdefault(operation, []).append(Sample(self.now(), seconds))

    def failed(self, operation: str, reason: str) -> None:
        """An operation has failed."""
        with self._lock:
            self.failures[operation, reason[:_REASON]] += 1

    def spent(self, operation: str, seconds: float) -> None:
        """So long this kind of operation was under way, with all clients together."""
        with self._lock:
            self._busy[operation] = self._busy.get(operation, 0.0) + seconds

    @property
    def succeeded(self) -> int:
        """Operations that ended well."""
        return sum(map(len, list(self.samples.values())))

    @property
    def failed_count(self) -> int:
        """Operations that failed."""
        return sum(self.failures.values())

    def figures(self) -> list[Figures]:
        """Each kind of operation, in the order in which they began."""
        names = dict.fromkeys([*self.samples, *(operation for operation, _ in self.failures)])
        return [self._figures(name) for name in names]

    def _figures(self, operation: str) -> Figures:
        samples = self.samples.get(operation, [])
        times = sorted(sample.seconds for sample in samples)
        seconds = self._busy.get(operation) or _span(samples)
        return Figures(
            operation,
            len(times),
            sum(count for (name, _), count in self.failures.items() if name == operation),
            seconds,
            len(times) / seconds if seconds else 0.0,
            statistics.median(times) if times else 0.0,
            quantile(times, 0.99),
            times[-1] if times else 0.0,
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the *ordered* values does not exceed; 0 without any."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _span(samples: Iterable[Sample]) -> float:
    ends = [(sample.ended - sample.seconds, sample.ended) for sample in samples]
    return max((end for _, end in ends), default=0.0) - min((begin for begin, _ in ends), default=0.0)
