"""What stands in for a conductor in a process that has none: an API in front of conductors that run elsewhere."""

from __future__ import annotations

import logging
import queue
import signal
from collections.abc import Callable
from typing import Any, Self

from baremetal_interfaces import Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.lifecycle import Standalone
from baremetal_sdk.observability.metrics import MetricsRegistry
from baremetal_sdk.observability.monitoring import Monitoring
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.registry import declared_versions
from baremetal_sdk.rpc.remote import RemoteClient
from baremetal_sdk.services.catalogue import SERVICES
from baremetal_sdk.store.factory import open_store
from baremetal_sdk.store.protocol import Store

LOG = logging.getLogger(__name__)


class RemoteBackend:
    """The store, and conductors that are reached by RPC. ``bare_metal_api`` takes it as it takes a conductor.

    *store* defaults to the one of ``[database] connection``, which is that of the conductors. *metrics* is a registry of
    Prometheus' client to register with, *tracing* a tracer provider of OpenTelemetry.
    """

    def __init__(
        self,
        config: ConductorConfig,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        metrics: MetricsRegistry | None = None,
        tracing: Any = None,
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.ready = False
        """Whether requests can be answered."""
        self.monitoring = Monitoring(config.hostname, metrics, tracing)
        """Who observes what it does: metrics and traces."""
        self._given = store
        self._store: Store | None = None
        self._rpc: RemoteClient | None = None
        self._added: list[Standalone] = []
        self._running: list[Standalone] = []
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def add(self, thing: Standalone) -> None:
        """Add what is started and stopped with it, such as an ``APIServer``."""
        self._added.append(thing)

    @property
    def store(self) -> Store:
        """Where nodes are read from."""
        if self._store is None:
            raise RuntimeError("the backend has not started")
        return self._store

    @property
    def rpc(self) -> RPCClient:
        """How a conductor is asked to change something."""
        if self._rpc is None:
            raise RuntimeError("the backend has not started")
        return self._rpc

    @property
    def telemetry(self) -> Telemetry:
        """Those who hear of what it does."""
        return self.monitoring.telemetry

    def start(self) -> None:
        """Open the store, and start what was added. Raises ``ConfigurationError`` and ``StoreUnavailable``."""
        refuse_monkey_patching()
        if self._given is None and self.config.database.connection is None:
            raise ConfigurationError("[database] connection: an API apart from its conductors needs the database that they use")
        self._store = self._given or self._open_store()
        try:
            versions = declared_versions(*SERVICES)
            self._rpc = transports.client(self.config, self._store, self.clock, versions, telemetry=self.monitoring.telemetry)
            self.monitoring.start(self._store)
            self.ready = True
            for thing in self._added:
                thing.start()
                self.monitoring.show_part(thing)
                self._running.append(thing)
        except BaseException:
            self.stop(0.0)
            raise

    def _open_store(self) -> Store:
        """Each thread of an API uses the database most of its time: it has a connection of its own."""
        config = self.config
        connections = config.database.max_pool_size or config.api.max_threads
        events = config.events.enabled
        return open_store(config.database.connection, clock=self.clock, connections=connections, events=events)

    def stop(self, timeout: float | None = None) -> None:
        """Stop everything within *timeout* seconds (``graceful_shutdown_timeout``)."""
        seconds = self.config.conductor.graceful_shutdown_timeout if timeout is None else timeout
        deadline = Deadline.after(seconds)
        for thing in reversed(self._running):
            thing.stop(deadline)
        self._running.clear()
        self.ready = False
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            self.monitoring.stop()
            rpc.close()
        store, self._store = self._store, None
        if store is not None and self._given is None:
            store.close()

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Start, call *ready*, serve until SIGTERM or SIGINT, and stop. It has to be called in the main thread."""
        handlers = {number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            try:
                if ready is not None:
                    ready()
                self._signals.get()
            finally:
                LOG.info("stopping")
                self.stop()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: object) -> None:
        self._signals.put(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
