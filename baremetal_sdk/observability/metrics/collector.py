"""A collector for Prometheus: what was counted, and what is looked up when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from baremetal_sdk.concurrency.pool import ElasticPool
from baremetal_sdk.observability.metrics import declarations as are
from baremetal_sdk.observability.metrics.counters import WorkCounters
from baremetal_sdk.observability.metrics.declarations import OWNER, Metric

Reading = tuple[Metric, tuple[str, ...], float]
"""A metric, the values of its labels beside the owner, and its value."""
Source = Callable[[], Iterable[Reading]]


class MetricsRegistry(Protocol):
    """A ``prometheus_client.CollectorRegistry``."""

    def register(self, collector: Any) -> None:
        """Ask *collector* at every scrape."""

    def unregister(self, collector: Any) -> None:
        """Ask it no more."""


class Collector:
    """The metrics of one conductor or one API process, which *owner* names. It needs ``prometheus-client``: extra ``metrics``."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.counts = WorkCounters(owner)
        """What observes work, to be added to a ``Telemetry``."""
        self._lock = threading.Lock()
        self._sources: list[Source] = []

    def add(self, source: Source) -> Callable[[], None]:
        """Ask *source* as well at each scrape; the result ends that."""
        with self._lock:
            self._sources.append(source)
        return lambda: self._remove(source)

    def _remove(self, source: Source) -> None:
        with self._lock:
            self._sources = [one for one in self._sources if one is not source]

    def collect(self) -> Iterable[Any]:
        """The metric families, with the values of now."""
        yield from self.counts.collect()
        with self._lock:
            sources = list(self._sources)
        families: dict[str, Any] = {}
        for metric, labels, value in (reading for source in sources for reading in source()):
            if metric.name not in families:
                families[metric.name] = _family(metric)
            families[metric.name].add_metric([self._owner, *labels], value)
        yield from families.values()


def _family(metric: Metric) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.meaning, labels=[OWNER, *metric.labels])


def read_pool(pool: ElasticPool) -> Iterable[Reading]:
    """What a pool and its lanes do."""
    yield are.POOL_THREADS, (pool.name,), pool.workers
    yield are.POOL_IDLE_THREADS, (pool.name,), pool.idle
    yield are.POOL_THREADS_MAX, (pool.name,), pool.max_workers
    for name, lane in pool.lanes.items():
        seen, labels = lane.statistics, (pool.name, name)
        yield are.LANE_BUSY, labels, seen.busy
        yield are.LANE_QUEUED, labels, seen.queued
        yield are.LANE_RUN, labels, seen.runtime
        yield are.LANE_WAIT, labels, lane.waits.total
        ended = {
            "succeeded": seen.executed - seen.failures,
            "failed": seen.failures,
            "cancelled": seen.cancelled,
            "refused": seen.refused,
        }
        for outcome, count in ended.items():
            yield are.LANE_TASKS, (*labels, outcome), count


def create_database_source(connections: Callable[[], Mapping[str, int]]) -> Source:
    """How many connections to a database there are, by what they do."""
    return lambda: ((are.DATABASE_CONNECTIONS, (state,), count) for state, count in connections().items())
