"""The backend of an API process without a conductor: it reads the store and calls conductors in other processes."""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable
from typing import Any, Self

from baremetal_interfaces import Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.lifecycle import Service
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics import MetricsRegistry
from baremetal_sdk.observability.monitoring import Monitoring
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.registry import collect_versions
from baremetal_sdk.rpc.remote import RemoteClient
from baremetal_sdk.services.catalogue import SERVICES
from baremetal_sdk.store.factory import open_store
from baremetal_sdk.store.protocol import Store

LOG = get_logger(__name__)


class RemoteBackend:
    """The shared store, and an RPC client for remote conductors. ``bare_metal_api`` accepts it instead of a conductor.

    *store* defaults to the database of ``[database] connection``, which the conductors share. *metrics* is a registry of
    prometheus-client to register with, *tracing* a tracer provider of OpenTelemetry.
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
        """True from the start of the backend until its services have stopped: requests can be answered."""
        self.monitoring = Monitoring(config.hostname, metrics, tracing)
        """Metrics and traces of this process."""
        self._given_store = store
        self._store: Store | None = None
        self._rpc: RemoteClient | None = None
        self._added: list[Service] = []
        self._running: list[Service] = []
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def add(self, service: Service) -> None:
        """Add a service that starts and stops with the backend, such as an ``APIServer``."""
        self._added.append(service)

    @property
    def store(self) -> Store:
        """The store that reads go to. Raise ``RuntimeError`` before the start."""
        if self._store is None:
            raise RuntimeError("the backend has not started; call start() first")
        return self._store

    @property
    def rpc(self) -> RPCClient:
        """The client that sends changes to conductors. Raise ``RuntimeError`` before the start."""
        if self._rpc is None:
            raise RuntimeError("the backend has not started; call start() first")
        return self._rpc

    @property
    def telemetry(self) -> Telemetry:
        """Telemetry of this process, to which observers of its work can be added."""
        return self.monitoring.telemetry

    def start(self) -> None:
        """Open the store, connect the RPC client, and start the added services. If one fails, stop all and raise its error.

        Raise ``ConfigurationError`` without a store and ``[database] connection``, and ``StoreUnavailable`` if the database
        is not available.
        """
        refuse_monkey_patching()
        if self._given_store is None and self.config.database.connection is None:
            raise ConfigurationError(
                "[database] connection: required for an API without a conductor in its process; name the conductors' database"
            )
        self._store = self._given_store or self._open_store()
        try:
            versions = collect_versions(*SERVICES)
            self._rpc = transports.create_client(
                self.config, self._store, self.clock, versions, telemetry=self.monitoring.telemetry
            )
            self.monitoring.start(self._store)
            self.ready = True
            for service in self._added:
                service.start()
                self.monitoring.add_component(service)
                self._running.append(service)
        except BaseException:
            self.stop(0.0)
            raise

    def _open_store(self) -> Store:
        """Open the store with one connection per thread, because API threads spend most of their time in the database."""
        config = self.config
        connections = config.database.max_pool_size or config.api.max_threads
        return open_store(
            config.database.connection,
            clock=self.clock,
            connections=connections,
            events=config.events.enabled,
            sqlite_synchronous=config.database.sqlite_synchronous,
        )

    def stop(self, timeout: float | None = None) -> None:
        """Stop all services within *timeout* seconds (default: ``graceful_shutdown_timeout``). A passed store stays open."""
        seconds = self.config.conductor.graceful_shutdown_timeout if timeout is None else timeout
        deadline = Deadline.after(seconds)
        for service in reversed(self._running):
            service.stop(deadline)
        self._running.clear()
        self.ready = False
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            self.monitoring.stop()
            rpc.close()
        store, self._store = self._store, None
        if store is not None and self._given_store is None:
            store.close()

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Start, call *ready*, serve until SIGTERM or SIGINT, then stop. Must be called in the main thread."""
        handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
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

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals.put(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
