"""Metrics and traces of metald processes: metrics registry, metrics server and export of spans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from baremetal_sdk import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics import MetricsServer

LOG = get_logger(__name__)
_SERVICE_NAME = "metald"
_FLUSH_TIMEOUT_S = 3.0
"""Maximum seconds to wait for the export of the last spans, so that a silent collector does not delay the end of the process."""


def create_registry(config: ConductorConfig) -> CollectorRegistry | None:
    """Return a new Prometheus registry with the metrics of this process, or None if metrics are disabled."""
    if config.metrics.endpoint == "none":
        return None
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def api_registry(config: ConductorConfig, registry: CollectorRegistry | None) -> CollectorRegistry | None:
    """Return *registry* if the API serves the metrics at ``/metrics``, or None if it does not."""
    return registry if config.metrics.endpoint == "api" else None


def create_metrics_servers(config: ConductorConfig, registry: CollectorRegistry | None) -> list[MetricsServer]:
    """Return a list with the separate metrics server, or an empty list if the configuration does not ask for one."""
    if registry is None or config.metrics.endpoint != "separate":
        return []
    return [MetricsServer(registry, config.metrics)]


@contextmanager
def open_tracer(config: ConductorConfig) -> Iterator[Any]:
    """Yield a tracer provider that exports spans by OTLP, or None if tracing is disabled.

    At the end of the ``with`` block, the last spans are exported, for up to 3 seconds. Raises ConfigurationError if tracing
    is enabled and its packages are not installed.
    """
    if not config.use_tracing:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise ConfigurationError(f"[DEFAULT] use_tracing: packages are missing ({exc}); pip install 'metald[tracing]'") from exc
    # Resource attributes from OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME take precedence.
    resource = Resource.create({"service.name": _SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        _shut_down_in_time(provider.shutdown)


def _shut_down_in_time(shutdown: Callable[[], None]) -> None:
    """Call *shutdown* on another thread, wait for up to 3 seconds, and log a warning if it has not ended."""
    thread = threading.Thread(target=shutdown, name="last spans", daemon=True)
    thread.start()
    thread.join(_FLUSH_TIMEOUT_S)
    if thread.is_alive():
        LOG.warning("trace export: the collector has not answered within %g s; the last spans are lost", _FLUSH_TIMEOUT_S)
