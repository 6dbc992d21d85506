"""The backend of an API process without a conductor: it reads the store and calls conductors in other processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from baremetal_interfaces import Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.conductor.shutdown import StopSteps
from baremetal_sdk.conductor.signals import CommandQueue, receive_signals
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
from baremetal_sdk.store.key_check import check_keys, open_secret_box
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.sealed_columns import seal_columns
from baremetal_sdk.store.secrets import PlainBox, SecretBox

LOG = get_logger(__name__)
CLOSE_TIMEOUT_S = 5.0
"""Maximum seconds for closing the RPC client, and for closing the store."""


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

        Raise ``ConfigurationError`` without a store and ``[database] connection``, and if the key option is set and its keys do
        not open the credentials in the store. Raise ``StoreUnavailable`` if the database is not available.
        """
        refuse_monkey_patching()
        if self._given_store is None and self.config.database.connection is None:
            raise ConfigurationError(
                "[database] connection: required for an API without a conductor in its process; name the conductors' database"
            )
        self._store = self._given_store or self._open_store()
        try:
            seal_columns(self._store, self._secret_box())
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

    def _secret_box(self) -> SecretBox:
        """Return the box with the conductors' key.

        Raises ``ConfigurationError`` without it: the API would read secrets as masks, and write the masks back.
        """
        if self._given_store is not None:
            check_keys(self.config.database, self._given_store)
            return PlainBox()
        box = open_secret_box(self.config.database, self.store)
        if box is None:
            raise ConfigurationError(
                "[database] secret_key_file: required for an API with its own connection to the database, because the secrets in "
                "it are encrypted; set it to a copy of the conductors' key file"
            )
        return box

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
        """Stop all services within *timeout* seconds (default: ``graceful_shutdown_timeout``). A passed store stays open.

        A service that fails or does not return in time is logged and left behind.
        """
        steps = StopSteps(Deadline.after(self.config.conductor.graceful_shutdown_timeout if timeout is None else timeout))
        for service in reversed(self._running):
            steps.run(f"stopping {type(service).__name__}", service.stop, steps.deadline)
        self._running.clear()
        self.ready = False
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            self.monitoring.stop()
            # The message bus may be away, and oslo.messaging then waits for it.
            steps.run("closing the RPC client", rpc.close, limit=CLOSE_TIMEOUT_S)
        store, self._store = self._store, None
        if store is not None and self._given_store is None:
            steps.run("closing the store", store.close, limit=CLOSE_TIMEOUT_S)

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Start, call *ready*, serve until SIGTERM or SIGINT, then stop. Must be called in the main thread.

        A second SIGTERM or SIGINT ends the process at once. It also ends ``graceful_shutdown_timeout`` and 5 s after the first
        one if this method does not return, for example because a log handler blocks.
        """
        commands = CommandQueue()
        with receive_signals(commands, lambda: self.config.conductor.graceful_shutdown_timeout, reloads=False):
            commands.is_starting = True
            self.start()
            commands.is_starting = False
            try:
                if ready is not None:
                    ready()
                commands.receive()
            finally:
                LOG.info("stopping")
                self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
