"""What metald hands in to be observed by: a registry of metrics, and a tracer where one is wanted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from baremetal_sdk import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.metrics import MetricsServer

LOG = logging.getLogger(__name__)
_SERVICE = "metald"
_LAST_SPANS = 3.0
"""Seconds at the end for what has not been sent: a collector that does not answer must not keep a process from ending."""


def registry_for(config: ConductorConfig) -> CollectorRegistry | None:
    """A registry with the figures of this process; None where nobody is to see any."""
    if config.metrics.endpoint == "none":
        return None
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def on_the_api(config: ConductorConfig, registry: CollectorRegistry | None) -> CollectorRegistry | None:
    """What the API serves at /metrics."""
    return registry if config.metrics.endpoint == "api" else None


def own_server(config: ConductorConfig, registry: CollectorRegistry | None) -> list[MetricsServer]:
    """The server of the metrics alone, where there is to be one."""
    if registry is None or config.metrics.endpoint != "own":
        return []
    return [MetricsServer(registry, config.metrics)]


@contextmanager
def tracer(config: ConductorConfig) -> Iterator[Any]:
    """A tracer provider that sends spans by OTLP, or None; what is left of them is sent at the end.

    Raises ``ConfigurationError`` where that is wanted and not installed.
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
        raise ConfigurationError(f"[DEFAULT] use_tracing: it needs more ({exc}); pip install 'metald[tracing]'") from exc
    # What stands in OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME goes before this.
    resource = Resource.create({"service.name": _SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        _send_the_last(provider.shutdown)


def _send_the_last(shutdown: Callable[[], None]) -> None:
    sending = threading.Thread(target=shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(_LAST_SPANS)
    if sending.is_alive():
        LOG.warning("the collector of traces has not answered for %g s: the last spans are lost", _LAST_SPANS)
