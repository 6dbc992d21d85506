"""Metrics registry, metrics server and trace export of the metald processes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from baremetal_sdk import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.metrics import MetricsServer

LOG = logging.getLogger(__name__)
_SERVICE_NAME = "metald"
_FLUSH_TIMEOUT_S = 3.0
"""Time limit in seconds for the last spans. An unresponsive collector must not delay the end of the process."""


def create_registry(config: ConductorConfig) -> CollectorRegistry | None:
    """Return a registry with the metrics of this process, or None if metrics are disabled."""
    if config.metrics.endpoint == "none":
        return None
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def api_registry(config: ConductorConfig, registry: CollectorRegistry | None) -> CollectorRegistry | None:
    """Return the registry that the API serves at ``/metrics``, or None."""
    return registry if config.metrics.endpoint == "api" else None


def create_metrics_servers(config: ConductorConfig, registry: CollectorRegistry | None) -> list[MetricsServer]:
    """Return the separate server for metrics, if the configuration asks for one."""
    if registry is None or config.metrics.endpoint != "separate":
        return []
    return [MetricsServer(registry, config.metrics)]


@contextmanager
def open_tracer(config: ConductorConfig) -> Iterator[Any]:
    """Yield a tracer provider that exports spans by OTLP, or None without tracing. Flush the spans at the end.

    Raises ``ConfigurationError`` if tracing is enabled and its packages are not installed.
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
    thread = threading.Thread(target=shutdown, name="last spans", daemon=True)
    thread.start()
    thread.join(_FLUSH_TIMEOUT_S)
    if thread.is_alive():
        LOG.warning("trace export: the collector has not answered within %g s; the last spans are lost", _FLUSH_TIMEOUT_S)
