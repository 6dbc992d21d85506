"""Prometheus metrics of a conductor or an API: declarations, collection and the ``/metrics`` endpoint."""

from baremetal_sdk.observability.metrics.collector import Collector, MetricsRegistry
from baremetal_sdk.observability.metrics.declarations import METRICS, Metric
from baremetal_sdk.observability.metrics.endpoint import MetricsEndpoint
from baremetal_sdk.observability.metrics.server import MetricsServer

__all__ = ["METRICS", "Collector", "Metric", "MetricsEndpoint", "MetricsRegistry", "MetricsServer"]
