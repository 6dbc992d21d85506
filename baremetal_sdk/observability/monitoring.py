"""Metrics and traces of one conductor, or of one API without a conductor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from baremetal_sdk.observability.metrics import Collector, MetricsRegistry
from baremetal_sdk.observability.metrics.collector import Reading, Source, create_database_source
from baremetal_sdk.observability.metrics.node_counts import NodeCounts
from baremetal_sdk.observability.telemetry import Observer, Propagator, Telemetry


@runtime_checkable
class MeasuredComponent(Protocol):
    """Interface of a component that offers metrics."""

    def readings(self) -> Iterable[Reading]:
        """Return the current values of the component's metrics."""


class Monitoring:
    """The metrics collector and the tracer of a conductor or an API, active from ``start`` to ``stop``.

    *owner* is the value of the label ``conductor`` of each metric. *metrics* is the Prometheus registry and *tracing* the
    OpenTelemetry tracer provider of the host application. Without them, nothing is collected.
    """

    def __init__(self, owner: str, metrics: MetricsRegistry | None = None, tracing: Any = None) -> None:
        self._registry = metrics
        self._collector = Collector(owner) if metrics is not None else None
        observers: list[Observer] = [] if self._collector is None else [self._collector.counters]
        propagator: Propagator | None = None
        if tracing is not None:
            from baremetal_sdk.observability.tracing import Spans

            propagator = spans = Spans(tracing)
            observers.append(spans)
        self._observers = tuple(observers)
        self.telemetry = Telemetry(*observers, propagator=propagator)
        self._undo_functions: list[Callable[[], None]] = []

    def start(self, store: Any) -> None:
        """Begin to publish metrics and to observe the database.

        Register the collector with the registry, add the metrics of log handlers and the number of nodes in *store* by provision
        state, and observe the transactions and connections of the store's database, if it has one.
        """
        registry, collector = self._registry, self._collector
        if registry is not None:
            registry.register(collector)
            self._undo_functions.append(lambda: registry.unregister(collector))
            self.add_source(NodeCounts(store.provision_states).readings)
            for handler in logging.getLogger().handlers:
                self.add_component(handler)
        database = getattr(store, "database", None)
        if database is not None and self._observers:
            # The host application may own the store and use it after the stop, so stop() removes the observers again.
            database.telemetry.add(*self._observers)
            self._undo_functions.append(lambda: database.telemetry.remove(*self._observers))
            self.add_source(create_database_source(lambda: database.connections))

    def add_component(self, component: Any) -> None:
        """Publish the metrics of *component* until :meth:`stop`. Do nothing if it has no ``readings`` method."""
        if isinstance(component, MeasuredComponent):
            self.add_source(component.readings)

    def add_source(self, source: Source) -> None:
        """Publish the metrics that *source* returns at each scrape, until :meth:`stop`."""
        if self._collector is not None:
            self._undo_functions.append(self._collector.add(source))

    def stop(self) -> None:
        """Stop publishing and observing. The counters keep their values for another start."""
        undo_functions, self._undo_functions = self._undo_functions, []
        for undo in undo_functions:
            undo()
