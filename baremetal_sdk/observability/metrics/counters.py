"""Counting work as it is done, for almost nothing: what Prometheus reads is made of it when it asks."""

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
"""Values of a label that a metric knows apart; what comes later is counted as :data:`OTHER`."""
OTHER = "other"
_MOST_NOTES = 256
"""How much ended work is kept before it is counted: few enough that it takes a fraction of a millisecond."""


class WorkCounters:
    """An observer that counts. *owner* is the value of the label that all have."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        # A driver's call that spoke to no BMC is none of a BMC.
        needed = {Work.BMC_CALL: "bmc"}
        self._kinds = {work: _Kind(counted, needed.get(work)) for work, counted in WORK_METRICS.items()}

    def listener_for(self, work: Work) -> WorkListener | None:
        """What counts this kind of work."""
        return self._kinds.get(work)

    def collect(self) -> Iterable[Any]:
        """The metric families, with the values of now."""
        for kind in self._kinds.values():
            yield from kind.families(self._owner)


class _Series:
    """Work that ended with the same labels: how long it took together, and how often it was within which bound."""

    __slots__ = ("seconds", "within")

    def __init__(self, bounds: int) -> None:
        self.seconds = 0.0
        self.within = [0] * (bounds + 1)


class _Kind:
    """The counts of one kind of work, and the values of labels that they have seen.

    Who works leaves a note, without a lock; who asks, or finds that there are many, counts them. *needed* is the detail
    without which work is not counted.
    """

    def __init__(self, counted: WorkMetrics, needed: str | None) -> None:
        self._counted = counted
        self._needed = needed
        self._labels = tuple(label for label in counted.total.labels if label != "outcome")
        self._begun, self._over = itertools.count(), itertools.count()
        self._notes: deque[tuple[str, dict[str, str], float]] = deque()
        self._lock = YieldingLock()
        self._known: dict[str, set[str]] = {label: set() for label in counted.total.labels}
        self._series: dict[tuple[str, ...], _Series] = {}
        self._found: dict[tuple[str | None, ...], _Series] = {}
        """Series by what was observed. It spares each observation the look at whether its values are known."""

    def on_begin(self, one: Observation) -> None:
        """Count what goes on."""
        next(self._begun)

    def on_enter(self, one: Observation, kept: Any) -> Callable[[], None] | None:
        """Nothing depends on where work is done."""
        return None

    def on_end(self, one: Observation, kept: Any) -> None:
        """Note what has ended."""
        next(self._over)
        if self._needed is not None and self._needed not in one.details:
            return
        self._notes.append((one.outcome, one.labels, one.seconds))
        if len(self._notes) >= _MOST_NOTES and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    def families(self, owner: str) -> Iterable[Any]:
        """What was counted, as families of Prometheus' client."""
        with self._lock:
            self._count()
            read = {labels: (one.seconds, list(one.within)) for labels, one in self._series.items()}
            # A look at such a counter counts as well, in both.
            over, begun = next(self._over), next(self._begun)
        yield _total(self._counted.total, owner, read)
        yield _durations(self._counted, owner, read)
        if self._counted.in_progress is not None:
            from prometheus_client.core import GaugeMetricFamily

            shown = GaugeMetricFamily(self._counted.in_progress.name, self._counted.in_progress.meaning, labels=[OWNER])
            shown.add_metric([owner], begun - over)
            yield shown

    def _count(self) -> None:
        bounds = self._counted.duration.buckets
        for _ in range(len(self._notes)):
            outcome, labels, seconds = self._notes.popleft()
            observed = (outcome, *map(labels.get, self._labels))
            series = self._found.get(observed) or self._find(observed)
            series.within[bisect_left(bounds, seconds)] += 1
            series.seconds += seconds

    def _find(self, observed: tuple[str | None, ...]) -> _Series:
        outcome, *labels = observed
        values = {"outcome": outcome, **dict(zip(self._labels, labels, strict=True))}
        key = tuple(self._bounded(name, values[name] or "") for name in self._counted.total.labels)
        if key not in self._series:
            self._series[key] = _Series(len(self._counted.duration.buckets))
        if len(self._found) < MAX_LABEL_VALUES * 10:
            self._found[observed] = self._series[key]
        return self._series[key]

    def _bounded(self, label: str, value: str) -> str:
        known = self._known[label]
        if value in known:
            return value
        if len(known) >= MAX_LABEL_VALUES:
            return OTHER
        known.add(value)
        return value


_Read = Mapping[tuple[str, ...], tuple[float, list[int]]]


def _total(metric: Metric, owner: str, read: _Read) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(metric.name, metric.meaning, labels=[OWNER, *metric.labels])
    for labels, (_, within) in read.items():
        family.add_metric([owner, *labels], sum(within))
    return family


def _durations(counted: WorkMetrics, owner: str, read: _Read) -> Any:
    """The histogram, which has fewer labels than the counter."""
    from prometheus_client.core import HistogramMetricFamily

    metric = counted.duration
    places = [counted.total.labels.index(label) for label in metric.labels]
    together: dict[tuple[str, ...], tuple[float, list[int]]] = {}
    for labels, (seconds, within) in read.items():
        key = tuple(labels[place] for place in places)
        before, already = together.get(key, (0.0, [0] * len(within)))
        together[key] = before + seconds, [one + other for one, other in zip(already, within, strict=True)]
    bounds = [*map(str, metric.buckets), "+Inf"]
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=[OWNER, *metric.labels])
    for labels, (seconds, within) in together.items():
        family.add_metric([owner, *labels], list(zip(bounds, itertools.accumulate(within), strict=True)), seconds)
    return family
