"""Prometheus collector for the metrics of one process: counted work, and values that are read at each scrape."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from baremetal_sdk.concurrency.pool import ElasticPool
from baremetal_sdk.observability.metrics import declarations
from baremetal_sdk.observability.metrics.counters import WorkCounters
from baremetal_sdk.observability.metrics.declarations import OWNER, Metric

Reading = tuple[Metric, tuple[str, ...], float]
"""A metric, the values of its labels without the owner, and its value."""
Source = Callable[[], Iterable[Reading]]
"""A function that returns the current readings. It is called at each scrape."""


class MetricsRegistry(Protocol):
    """The methods of ``prometheus_client.CollectorRegistry`` that the runtime uses."""

    def register(self, collector: Any) -> None:
        """Add *collector*, whose ``collect`` method is called at every scrape."""

    def unregister(self, collector: Any) -> None:
        """Remove *collector*, which is then no longer called at scrapes."""


class Collector:
    """The metrics of one conductor or one API process. Needs ``prometheus-client`` (the extra ``metrics``). Thread-safe.

    *owner* is the value of the label ``conductor`` of each metric.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.counters = WorkCounters(owner)
        """The observer that counts work. Add it to a ``Telemetry``."""
        self._lock = threading.Lock()
        self._sources: list[Source] = []

    def add(self, source: Source) -> Callable[[], None]:
        """Call *source* at each scrape, until the returned function is called."""
        with self._lock:
            self._sources.append(source)
        return lambda: self._remove(source)

    def _remove(self, source: Source) -> None:
        with self._lock:
            self._sources = [other for other in self._sources if other is not source]

    def collect(self) -> Iterable[Any]:
        """Generate the metric families with their current values."""
        yield from self.counters.collect()
        with self._lock:
            sources = list(self._sources)
        families: dict[str, Any] = {}
        for source in sources:
            for metric, labels, value in source():
                if metric.name not in families:
                    families[metric.name] = _create_family(metric)
                families[metric.name].add_metric([self._owner, *labels], value)
        yield from families.values()


def _create_family(metric: Metric) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.meaning, labels=[OWNER, *metric.labels])


def read_pool(pool: ElasticPool) -> Iterable[Reading]:
    """Generate the metrics of a worker pool: its threads, and the jobs of each lane."""
    yield declarations.POOL_THREADS, (pool.name,), pool.workers
    yield declarations.POOL_IDLE_THREADS, (pool.name,), pool.idle
    yield declarations.POOL_THREADS_MAX, (pool.name,), pool.max_workers
    for name, lane in pool.lanes.items():
        statistics, labels = lane.statistics, (pool.name, name)
        yield declarations.LANE_BUSY, labels, statistics.busy
        yield declarations.LANE_QUEUED, labels, statistics.queued
        yield declarations.LANE_RUN, labels, statistics.runtime
        yield declarations.LANE_WAIT, labels, lane.waits.total
        counts = {
            "succeeded": statistics.executed - statistics.failures,
            "failed": statistics.failures,
            "cancelled": statistics.cancelled,
            "refused": statistics.refused,
        }
        for outcome, count in counts.items():
            yield declarations.LANE_TASKS, (*labels, outcome), count


def create_database_source(connections: Callable[[], Mapping[str, int]]) -> Source:
    """Return a source for the metric of database connections. *connections* returns their number by state at each scrape."""
    return lambda: ((declarations.DATABASE_CONNECTIONS, (state,), count) for state, count in connections().items())
