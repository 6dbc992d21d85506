"""What a conductor does, for Prometheus: a collector that is asked, so that counting costs nothing between two scrapes.

It needs ``prometheus-client`` (the extra ``metrics``), and registers with the registry that the host application hands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from baremetal_sdk.pool import ElasticPool


class MetricsRegistry(Protocol):
    """A ``prometheus_client.CollectorRegistry``."""

    def register(self, collector: Any) -> None:
        """Ask *collector* at every scrape."""

    def unregister(self, collector: Any) -> None:
        """Ask it no more."""


class ConductorCollector:
    """The figures of one conductor, each labelled with its host name."""

    def __init__(self, host: str, pool: ElasticPool, leases: Callable[[], int], nodes_in_sync: Callable[[], int]) -> None:
        self._host = host
        self._pool = pool
        self._leases = leases
        self._nodes_in_sync = nodes_in_sync

    def collect(self) -> Iterable[Any]:
        """The metric families, with the values of now."""
        yield from self._lanes()
        yield self._gauge("baremetal_pool_threads", "Threads that live, idle ones included.", self._pool.workers)
        yield self._gauge("baremetal_pool_idle_threads", "Threads that wait for work.", self._pool.idle)
        yield self._gauge("baremetal_pool_threads_max", "Threads that there may be.", self._pool.max_workers)
        yield self._gauge("baremetal_leases_held", "Nodes that this conductor holds.", self._leases())
        yield self._gauge("baremetal_power_sync_nodes", "Nodes whose power is observed on a schedule.", self._nodes_in_sync())

    def _lanes(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        labels = ["conductor", "lane"]
        busy = GaugeMetricFamily("baremetal_lane_busy", "Tasks that run.", labels=labels)
        queued = GaugeMetricFamily("baremetal_lane_queued", "Tasks that wait for a worker.", labels=labels)
        tasks = CounterMetricFamily("baremetal_lane_tasks", "Tasks by how they ended.", labels=[*labels, "outcome"])
        seconds = CounterMetricFamily("baremetal_lane_run_seconds", "Seconds that tasks ran.", labels=labels)
        for name, lane in self._pool.lanes.items():
            seen = lane.statistics
            busy.add_metric([self._host, name], seen.busy)
            queued.add_metric([self._host, name], seen.queued)
            seconds.add_metric([self._host, name], seen.runtime)
            tasks.add_metric([self._host, name, "succeeded"], seen.executed - seen.failures)
            tasks.add_metric([self._host, name, "failed"], seen.failures)
            tasks.add_metric([self._host, name, "cancelled"], seen.cancelled)
            tasks.add_metric([self._host, name, "refused"], seen.refused)
        return busy, queued, tasks, seconds

    def _gauge(self, name: str, meaning: str, value: float) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(name, meaning, labels=["conductor"])
        family.add_metric([self._host], value)
        return family
