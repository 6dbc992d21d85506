"""Counters of finished work that cost the working threads almost nothing. Prometheus families are made at each scrape."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.observability.metrics.declarations import OWNER, WORK_METRICS, Metric, WorkMetrics
from baremetal_sdk.observability.telemetry import Observation, Work, WorkListener

MAX_LABEL_VALUES = 200
"""Number of different values of a label in one metric. Further values are counted as :data:`OTHER`."""
OTHER = "other"
_MAX_PENDING = 256
"""Number of finished pieces of work that wait to be counted. So few are counted in a fraction of a millisecond."""


class WorkCounters:
    """Telemetry observer that counts work. *owner* is the value of the label ``conductor``. Thread-safe."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        # A driver call that used no session of a BMC is not counted as a BMC call.
        required = {Work.BMC_CALL: "bmc"}
        self._counters = {work: _WorkCounter(metrics, required.get(work)) for work, metrics in WORK_METRICS.items()}

    def listener_for(self, work: Work) -> WorkListener | None:
        """Return the counter of this kind of work, or None if it has no metrics."""
        return self._counters.get(work)

    def collect(self) -> Iterable[Any]:
        """Generate the metric families with their current values."""
        for counter in self._counters.values():
            yield from counter.families(self._owner)


class _Series:
    """Work that ended with the same labels: the total of its seconds, and the number of its pieces by histogram bucket."""

    __slots__ = ("bucket_counts", "seconds")

    def __init__(self, bounds: int) -> None:
        self.seconds = 0.0
        self.bucket_counts = [0] * (bounds + 1)


class _WorkCounter:
    """Counter of one kind of work.

    Working threads only append to a queue and advance two iterators. Both are atomic in CPython, so they need no lock. The
    thread that scrapes, or that finds the queue full, counts the queue under the lock. Work without the detail *required*
    is not counted.
    """

    def __init__(self, metrics: WorkMetrics, required: str | None) -> None:
        self._metrics = metrics
        self._required = required
        self._labels = tuple(label for label in metrics.total.labels if label != "outcome")
        # next() on these is an atomic increment; "+= 1" on an integer is not.
        self._begun, self._ended = itertools.count(), itertools.count()
        self._pending: deque[tuple[str, dict[str, str], float]] = deque()
        self._lock = YieldingLock()
        self._label_values: dict[str, set[str]] = {label: set() for label in metrics.total.labels}
        self._series: dict[tuple[str, ...], _Series] = {}
        self._series_by_observation: dict[tuple[str | None, ...], _Series] = {}
        """Cache from the outcome and label values of an observation to its series."""

    def on_begin(self, observation: Observation) -> None:
        """Count one more piece of work in progress."""
        next(self._begun)

    def on_enter(self, observation: Observation, state: Any) -> Callable[[], None] | None:
        """Do nothing: counters do not depend on the parent of work."""
        return None

    def on_end(self, observation: Observation, state: Any) -> None:
        """Queue finished work, and count the queue if it is full and no other thread is counting."""
        next(self._ended)
        if self._required is not None and self._required not in observation.details:
            return
        self._pending.append((observation.outcome, observation.labels, observation.seconds))
        # A working thread never waits for the lock: its holder is counting the queue anyway.
        if len(self._pending) >= _MAX_PENDING and self._lock.acquire(blocking=False):
            try:
                self._count_pending()
            finally:
                self._lock.release()

    def families(self, owner: str) -> Iterable[Any]:
        """Count the queued work, then generate its Prometheus metric families.

        They are the number of finished pieces of work, a histogram of durations, and the number of pieces in progress.
        """
        with self._lock:
            self._count_pending()
            values = {labels: (series.seconds, list(series.bucket_counts)) for labels, series in self._series.items()}
            # Reading an itertools.count advances it. Both are read equally often, so their difference stays right.
            ended, begun = next(self._ended), next(self._begun)
        yield _total_family(self._metrics.total, owner, values)
        yield _duration_family(self._metrics, owner, values)
        if self._metrics.in_progress is not None:
            from prometheus_client.core import GaugeMetricFamily

            gauge = GaugeMetricFamily(self._metrics.in_progress.name, self._metrics.in_progress.meaning, labels=[OWNER])
            gauge.add_metric([owner], begun - ended)
            yield gauge

    def _count_pending(self) -> None:
        """Count the queued work. The caller holds the lock."""
        bounds = self._metrics.duration.buckets
        # Threads append meanwhile. Counting only the present length makes sure that this loop ends.
        for _ in range(len(self._pending)):
            outcome, labels, seconds = self._pending.popleft()
            observed = (outcome, *map(labels.get, self._labels))
            series = self._series_by_observation.get(observed) or self._find_series(observed)
            series.bucket_counts[bisect_left(bounds, seconds)] += 1
            series.seconds += seconds

    def _find_series(self, observed: tuple[str | None, ...]) -> _Series:
        outcome, *labels = observed
        values = {"outcome": outcome, **dict(zip(self._labels, labels, strict=True))}
        key = tuple(self._limit_value(name, values[name] or "") for name in self._metrics.total.labels)
        if key not in self._series:
            self._series[key] = _Series(len(self._metrics.duration.buckets))
        if len(self._series_by_observation) < MAX_LABEL_VALUES * 10:
            self._series_by_observation[observed] = self._series[key]
        return self._series[key]

    def _limit_value(self, label: str, value: str) -> str:
        known = self._label_values[label]
        if value in known:
            return value
        if len(known) >= MAX_LABEL_VALUES:
            return OTHER
        known.add(value)
        return value


_Values = Mapping[tuple[str, ...], tuple[float, list[int]]]
"""Total seconds and bucket counts by label values."""


def _total_family(metric: Metric, owner: str, values: _Values) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(metric.name, metric.meaning, labels=[OWNER, *metric.labels])
    for labels, (_, bucket_counts) in values.items():
        family.add_metric([owner, *labels], sum(bucket_counts))
    return family


def _duration_family(metrics: WorkMetrics, owner: str, values: _Values) -> Any:
    """Return the histogram. It has fewer labels than the counter, so several series are added up."""
    from prometheus_client.core import HistogramMetricFamily

    metric = metrics.duration
    positions = [metrics.total.labels.index(label) for label in metric.labels]
    sums: dict[tuple[str, ...], tuple[float, list[int]]] = {}
    for labels, (seconds, bucket_counts) in values.items():
        key = tuple(labels[position] for position in positions)
        seconds_before, counts_before = sums.get(key, (0.0, [0] * len(bucket_counts)))
        sums[key] = (
            seconds_before + seconds,
            [before + count for before, count in zip(counts_before, bucket_counts, strict=True)],
        )
    bounds = [*map(str, metric.buckets), "+Inf"]
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=[OWNER, *metric.labels])
    for labels, (seconds, bucket_counts) in sums.items():
        # Buckets of Prometheus are cumulative: each includes all smaller ones.
        cumulative = itertools.accumulate(bucket_counts)
        family.add_metric([owner, *labels], list(zip(bounds, cumulative, strict=True)), seconds)
    return family
