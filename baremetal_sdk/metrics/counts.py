"""Counting work as it is done, in metrics of Prometheus' client."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from baremetal_sdk.metrics.declarations import COUNTED, OWNER, Metric
from baremetal_sdk.telemetry import Observation, Work

MOST_VALUES = 200
"""Values of a label that a metric knows apart; what comes later is counted as :data:`OTHER`."""
OTHER = "other"


class Counts:
    """An observer that counts. *owner* is the value of the label that all have."""

    def __init__(self, owner: str) -> None:
        from prometheus_client import CollectorRegistry

        self._registry = CollectorRegistry(auto_describe=False)
        self._owner = owner
        self._kinds = {work: _Kind(owner, *self._made(work)) for work in COUNTED}

    def _made(self, work: Work) -> tuple[tuple[Metric, Any], tuple[Metric, Any], Any]:
        from prometheus_client import Counter, Gauge, Histogram

        counted = COUNTED[work]
        labels = [OWNER, *counted.total.labels]
        total = Counter(counted.total.name, counted.total.meaning, labels, registry=self._registry)
        duration = Histogram(
            counted.duration.name,
            counted.duration.meaning,
            [OWNER, *counted.duration.labels],
            buckets=counted.duration.buckets,
            registry=self._registry,
        )
        going = None
        if counted.in_progress is not None:
            going = Gauge(counted.in_progress.name, counted.in_progress.meaning, [OWNER], registry=self._registry)
            going = going.labels(self._owner)
        return (counted.total, total), (counted.duration, duration), going

    def began(self, one: Observation) -> None:
        """Count what goes on."""
        self._kinds[one.work].began()

    def entered(self, one: Observation, kept: Any) -> Callable[[], None] | None:
        """Nothing depends on where work is done."""
        return None

    def ended(self, one: Observation, kept: Any) -> None:
        """Count what has ended. A driver's call that spoke to no BMC is none of a BMC."""
        self._kinds[one.work].ended(one, counts=one.work is not Work.BMC_CALL or "bmc" in one.details)

    def collect(self) -> Iterable[Any]:
        """The metric families, with the values of now."""
        for family in self._registry.collect():
            # When a counter was made says nothing that the process's own start does not.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class _Kind:
    """The metrics of one kind of work, and the values of labels that they have seen."""

    def __init__(self, owner: str, total: tuple[Metric, Any], duration: tuple[Metric, Any], going: Any) -> None:
        self._owner = owner
        self._total, self._duration, self._going = total, duration, going
        self._known: dict[str, set[str]] = {label: set() for label in total[0].labels}
        self._children: dict[tuple[str, ...], tuple[Any, Any]] = {}

    def began(self) -> None:
        if self._going is not None:
            self._going.inc()

    def ended(self, one: Observation, *, counts: bool) -> None:
        if self._going is not None:
            self._going.dec()
        if not counts:
            return
        labels = one.labels
        key = tuple(one.outcome if name == "outcome" else labels.get(name, "") for name in self._total[0].labels)
        total, duration = self._children.get(key) or self._child(key)
        total.inc()
        duration.observe(one.seconds)

    def _child(self, key: tuple[str, ...]) -> tuple[Any, Any]:
        values = {name: self._bounded(name, value) for name, value in zip(self._total[0].labels, key, strict=True)}
        total = self._total[1].labels(self._owner, *values.values())
        child = (total, self._duration[1].labels(self._owner, *(values[name] for name in self._duration[0].labels)))
        if len(self._children) < MOST_VALUES * 10:
            self._children[key] = child
        return child

    def _bounded(self, label: str, value: str) -> str:
        known = self._known[label]
        if value in known:
            return value
        if len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value
