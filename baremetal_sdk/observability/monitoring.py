"""Who observes a conductor, or an API without one: a registry for metrics and a tracer, where they were handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_sdk.observability.metrics import Collector, MetricsRegistry
from baremetal_sdk.observability.metrics.collector import Source, create_database_source
from baremetal_sdk.observability.metrics.node_counts import NodeCounts
from baremetal_sdk.observability.telemetry import Observer, Propagator, Telemetry


class Monitoring:
    """Makes the observers, and has what they show appear and disappear with what is observed. *owner* names that."""

    def __init__(self, owner: str, metrics: MetricsRegistry | None = None, tracing: Any = None) -> None:
        self._registry = metrics
        self._collector = Collector(owner) if metrics is not None else None
        observers: list[Observer] = [] if self._collector is None else [self._collector.counts]
        propagator: Propagator | None = None
        if tracing is not None:
            from baremetal_sdk.observability.tracing import Spans

            propagator = spans = Spans(tracing)
            observers.append(spans)
        self._observers = tuple(observers)
        self.telemetry = Telemetry(*observers, propagator=propagator)
        self._ends: list[Callable[[], None]] = []

    def start(self, store: Any) -> None:
        """Register, count the nodes of *store*, and observe its database as well, where it has one."""
        registry, collector = self._registry, self._collector
        if registry is not None:
            registry.register(collector)
            self._ends.append(lambda: registry.unregister(collector))
            self.show(NodeCounts(store.provision_states).readings)
        database = getattr(store, "database", None)
        if database is not None and self._observers:
            database.telemetry.add(*self._observers)
            self._ends.append(lambda: database.telemetry.remove(*self._observers))
            self.show(create_database_source(lambda: database.connections))

    def show_component(self, part: Any) -> None:
        """Show the ``readings()`` of a part that was added, where it has any."""
        if hasattr(part, "readings"):
            self.show(part.readings)

    def show(self, source: Source) -> None:
        """Show what *source* reads, until the stop."""
        if self._collector is not None:
            self._ends.append(self._collector.add(source))

    def stop(self) -> None:
        """Show and observe nothing more. What was counted counts on after another start."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()
