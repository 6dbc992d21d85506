"""The conductor, which a host application embeds: it creates the conductor, adds parts to it, starts and stops it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Self

from baremetal_interfaces import Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.concurrency.periodic import Interval, Periodic, bind_conductor, find_periodic_methods, resolve_interval
from baremetal_sdk.concurrency.pool import ElasticPool
from baremetal_sdk.conductor.components import Components, Overrides, lanes_for, limit_documents
from baremetal_sdk.conductor.periodic_jobs import PERIODIC_JOBS, SIGNS_OF_LIFE
from baremetal_sdk.conductor.readings import conductor_readings
from baremetal_sdk.conductor.shutdown import LAST_STEPS_S, Shutdown, run_safely
from baremetal_sdk.conductor.signals import Command, CommandQueue, receive_signals
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.credentials import Credentials
from baremetal_sdk.drivers.loader import Plugins
from baremetal_sdk.lifecycle import Reloadable, Runnable, StartPhase, is_runnable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics import MetricsRegistry
from baremetal_sdk.observability.monitoring import Monitoring
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.provisioning.recovery import expire_all_leases
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.registry import collect_methods
from baremetal_sdk.sensors import Notifier
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.change_listeners import ChangeCallback, ChangeListeners
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.power import PowerActionGate

LOG = get_logger(__name__)


class Conductor:
    """Manager of the bare metal nodes in a store: it runs tasks on them and calls their drivers. It has no global state.

    The constructor starts no thread and opens nothing; :meth:`start` does.

    :param store: where nodes are stored. Default: the database of ``[database] connection``, or memory without one.
    :param plugins: the plugins to offer. Default: the installed ones.
    :param secrets: encrypts credentials in the store. Default: the key of ``[database]``.
    :param pool: a pool of the host application. Default: a new pool.
    :param clock: the source of time, for tests.
    :param metrics: a registry of prometheus-client to register with. Default: no metrics.
    :param tracing: a tracer provider of OpenTelemetry. Default: no traces.
    :param credentials: a source of BMC credentials outside of the store. Default: as ``[conductor]`` configures it.
    :param notifier: receives sensor readings: a ``Notifier`` of oslo.messaging, or any object with its ``info`` method.
    :param sole_owner: the caller guarantees that no other process uses the store. Leases of dead conductors then end at
        once instead of when they expire.
    """

    def __init__(
        self,
        config: ConductorConfig | None = None,
        *,
        store: Store | None = None,
        plugins: Plugins | None = None,
        secrets: SecretBox | None = None,
        pool: ElasticPool | None = None,
        clock: Clock | None = None,
        metrics: MetricsRegistry | None = None,
        tracing: Any = None,
        credentials: Credentials | None = None,
        notifier: Notifier | None = None,
        sole_owner: bool = False,
    ) -> None:
        self.config = config or ConductorConfig()
        self.clock: Clock = clock or SystemClock()
        self.ready = False
        """True from the end of :meth:`start` until :meth:`stop` has answered the last request."""
        self.monitoring = Monitoring(self.config.hostname, metrics, tracing)
        """Metrics and traces of this conductor."""
        self._overrides = Overrides(store, plugins, secrets, pool, credentials, notifier, self.monitoring.telemetry)
        self._sole_owner = sole_owner
        self._added: list[Any] = []
        self._runnables: list[Runnable[Conductor]] = []
        self._periodics: list[Periodic] = []
        self._intervals: dict[str, Interval] = {}
        self._commands = CommandQueue()
        self._changes = ChangeListeners()
        self._components: Components | None = None
        self.rpc_server: transports.RPCServer | None = None
        """The server for RPC calls of other processes. None while stopped, and if ``rpc_transport`` is ``none``."""
        self._stopping = False

    def add(self, part: Any) -> None:
        """Add a part, which starts and stops with the conductor: a runnable, or an object with periodic or RPC methods.

        Raises ``TypeError`` for any other object, and ``RuntimeError`` after the start of the conductor.
        """
        if self._components is not None:
            raise RuntimeError("the part cannot be added: the conductor has started; add parts before the start")
        if not (is_runnable(part) or collect_methods(part) or find_periodic_methods(part)):
            raise TypeError(
                f"{type(part).__name__} cannot be added: it defines nothing to run; give it phase, start() and stop(), "
                "or a periodic method, or an RPC method"
            )
        self._added.append(part)

    def start(self) -> None:
        """Start all components in order, and return when the conductor is ready.

        If a component fails, stop those already started and raise its error. Raises ``RuntimeError`` if the conductor has
        started already, and ``MonkeyPatched`` in a process that is monkey-patched.
        """
        if self._components is not None:
            raise RuntimeError("the conductor has already started; stop it before the next start")
        refuse_monkey_patching()
        self._components = Components(self.config, self.clock, self._overrides, self._changes)
        try:
            self._start(self._components)
        except BaseException:
            self.stop(0.0)
            raise

    def stop(self, timeout: float | None = None) -> None:
        """Stop all components in reverse order within *timeout* seconds. Tasks that do not end are logged and left behind.

        The method returns at most 4 s after *timeout*, even if a log handler blocks.

        *timeout* defaults to ``[conductor] graceful_shutdown_timeout``. Stopping a stopped conductor does nothing.
        """
        components = self._components
        if components is None or self._stopping:
            return
        self._stopping = True
        self._commands.send(Command.STOP)
        seconds = self.config.conductor.graceful_shutdown_timeout if timeout is None else timeout
        try:
            # In a thread, because a step that logs to a blocked handler of the host application never returns.
            arguments = ("stopping the conductor", self._stop, components, seconds)
            stopping = threading.Thread(target=run_safely, args=arguments, name="conductor-stop", daemon=True)
            stopping.start()
            stopping.join(seconds + LAST_STEPS_S + 1.0)
        finally:
            self._components, self._stopping, self.ready = None, False, False
            self._commands.send(Command.STOPPED)

    def _stop(self, components: Components, seconds: float) -> None:
        shutdown = Shutdown(components, Deadline.after(seconds, self.clock.monotonic))
        if self.ready:
            run_safely("leaving nodes to other conductors", shutdown.leave_cluster, self.rpc_server)
        shutdown.stop_servers(self._runnables, self.rpc_server)
        self._runnables.clear()
        self.rpc_server = None
        self.ready = False
        shutdown.stop_work(self._periodics)
        self._periodics.clear()
        shutdown.release()
        self.telemetry.remove(components.recent_calls)
        run_safely("stopping metrics and traces", self.monitoring.stop)
        if self._overrides.store is None:
            shutdown.run_step("closing the store", components.store.close)

    def run(self, ready: Callable[[], None] | None = None, reload: Callable[[], ConductorConfig] | None = None) -> None:
        """Start, call *ready*, serve until SIGTERM, SIGINT or :meth:`stop`, then stop and return.

        A second SIGTERM or SIGINT during the stop returns without waiting for tasks. If this method does not return within 0.3 s
        after it, or within ``graceful_shutdown_timeout`` and 5 s after the first one, for example because a log handler blocks,
        the process ends at once. :func:`~baremetal_sdk.conductor.process_exit.end_process_within` bounds the rest of the program.
        SIGHUP applies the configuration that *reload* returns. An error in *reload* is logged and changes nothing. A stop
        signal during the start takes effect after the start; a second one interrupts it. Signal handlers are installed
        while the method runs, so it must be called in the main thread.
        """
        self._commands = CommandQueue()
        with receive_signals(self._commands, lambda: self.config.conductor.graceful_shutdown_timeout):
            self._commands.is_starting = True
            self.start()
            self._commands.is_starting = False
            try:
                if ready is not None:
                    ready()
                while self._commands.receive() is Command.RELOAD:
                    run_safely("reloading", self._reload_from, reload)
            finally:
                LOG.info("stopping")
                self._stop_interruptibly()

    def reload(self, config: ConductorConfig) -> None:
        """Apply the options of *config* that can change at run time: pool size, intervals, time limits, and those of added parts.

        The keys of credentials are read again. An error of an added part is only logged.
        """
        components = self.components
        self.config, components.options = config, config.conductor
        if components.owns_pool:
            components.pool.resize(config.conductor.workers_pool_size, lanes_for(config.conductor.workers_pool_size))
        components.leases.duration = config.conductor.lease_duration
        limit_documents(config.conductor.bmc_max_document_size)
        for periodic in self._periodics:
            periodic.change_interval(self._interval_of(periodic.name))
        components.power_sync.reload(config.conductor)
        components.sensors.reload(config.sensor_data)
        run_safely("reading the keys of credentials again", components.key_rotation.reload)
        for part in (*self._runnables, self.rpc_server):
            if isinstance(part, Reloadable):
                run_safely(f"reloading {type(part).__name__}", part.reload, config)

    def acquire(self, node: str, *, purpose: str, deadline: Deadline | None = None) -> NodeTask:
        """Acquire the node with this name or UUID for exclusive work, to be used in a ``with`` block. Never wait.

        *purpose* appears in logs, metrics and lock errors. Driver calls and waits for power states end at *deadline*. Raise
        ``NodeLocked`` if another task holds the node, and ``NodeNotFound`` if it does not exist.
        """
        return self.components.tasks.acquire(self.store.node(node).uuid, purpose=purpose, deadline=deadline)

    def enqueue(
        self, node: str, work: Callable[[NodeTask], Any], *, purpose: str, deadline: Deadline | None = None
    ) -> Future[Any]:
        """Queue *work* for the node, and return the future of its result. Work for one node runs in the order of the calls.

        When the node is free, *work* is called on a worker with a task that holds the node. No thread waits until then. A
        stop of the conductor cancels work that has not begun.
        """
        return self.components.queues.enqueue(self.store.node(node).uuid, purpose, work, deadline)

    def nodes(self, fields: Sequence[str] | None = None, **where: Any) -> Sequence[Row]:
        """Return the rows of the nodes whose fields equal the values in *where*. Rows have the given *fields*, by default all."""
        return self.store.nodes(NodeQuery(where=where, fields=None if fields is None else tuple(fields)))

    def subscribe(self, callback: ChangeCallback) -> Callable[[], None]:
        """Call *callback* with the changed node after each change by a task, in the task's thread.

        Return a function that ends the subscription.
        """
        return self._changes.subscribe(callback)

    @property
    def store(self) -> Store:
        """Store of the nodes. Raise ``RuntimeError`` before the start."""
        return self.components.store

    @property
    def rpc(self) -> RPCClient:
        """Client with which the API and the host application call the RPC methods of this conductor in the same process."""
        return self.components.rpc

    @property
    def drivers(self) -> DriverCatalog:
        """Catalog of the available hardware types and interfaces, and of those that failed to load."""
        return self.components.drivers

    @property
    def telemetry(self) -> Telemetry:
        """Telemetry of this conductor, to which observers of its work can be added."""
        return self.monitoring.telemetry

    @property
    def pool(self) -> ElasticPool:
        """Pool of worker threads on which the conductor runs its work."""
        return self.components.pool

    @property
    def power_gate(self) -> PowerActionGate:
        """Gate that suspends and resumes all power actions of this conductor."""
        return self.components.power_gate

    @property
    def components(self) -> Components:
        """Components that the conductor has created. Raise ``RuntimeError`` before the start."""
        if self._components is None:
            raise RuntimeError("the conductor has not started; call start() first")
        return self._components

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, components: Components) -> None:
        if self._sole_owner:
            # Before any component reads leases: a lease of a dead process would make its node look busy.
            expire_all_leases(components.store)
        self.monitoring.start(components.store)
        self.monitoring.add_source(lambda: conductor_readings(components))
        self.monitoring.add_source(components.sensors.readings)
        components.membership.join()
        # The jobs include the renewal of leases, which has to run before any work acquires one.
        for job in PERIODIC_JOBS:
            self._repeat(components, job.lane, functools.partial(job.function, components), job.name)
        # Work that the last incarnation left behind is finished before new work mixes with it.
        components.recovery.sweep()
        components.recovery.sweep_power()
        components.allocations.sweep()
        components.key_rotation.run()
        self._add_methods(components)
        components.dispatcher.open()
        self.rpc_server = transports.create_server(self.config, components.dispatcher, self.clock)
        if self.rpc_server is not None:
            self.rpc_server.start()
        self.ready = True
        # Added parts come last: an API that listens can then be answered.
        for runnable in sorted(filter(is_runnable, self._added), key=lambda part: StartPhase(part.phase)):
            runnable.start(self)
            self.monitoring.add_component(runnable)
            self._runnables.append(runnable)

    def _add_methods(self, components: Components) -> None:
        """Register the RPC methods of added parts and start their periodic methods."""
        for part in self._added:
            components.registry.add(part)
            for function, declared in find_periodic_methods(part):
                name = f"{type(part).__name__}.{function.__name__}"
                self._intervals[name] = declared.every
                self._repeat(components, "periodic", bind_conductor(function, self), name, soon=declared.run_immediately)

    def _repeat(self, components: Components, lane: str, function: Callable[[], Any], name: str, *, soon: bool = False) -> None:
        """Run *function* on *lane* at the interval of the job *name*. With the interval 0 it does not run until a reload."""
        interval = self._interval_of(name)
        periodic = Periodic(
            function,
            interval or 1.0,
            timer=components.pool.timer,
            executor=components.lanes[lane],
            name=name,
            backs_off=name not in SIGNS_OF_LIFE,
        )
        self._periodics.append(periodic)
        if interval > 0:
            periodic.start(spread=1.0, soon=soon)

    def _interval_of(self, name: str) -> float:
        """Return the interval of a periodic job under the current configuration, in seconds; 0 if it does not run."""
        if name in self._intervals:
            return max(0.0, resolve_interval(self._intervals[name], self))
        return next(max(0.0, job.interval(self.config)) for job in PERIODIC_JOBS if job.name == name)

    def _reload_from(self, read: Callable[[], ConductorConfig] | None) -> None:
        if read is not None:
            self.reload(read())
            LOG.info("the configuration was reloaded")

    def _stop_interruptibly(self) -> None:
        """Stop in another thread while this thread receives signals. Return without waiting for tasks at a second stop signal."""
        stopping = threading.Thread(target=self.stop, name="conductor-stop-command", daemon=True)
        # Unless a stop is already running, self.stop() sends one STOP itself: that one is not a second signal.
        own_stop_pending = self._components is not None and not self._stopping
        stopping.start()
        while (command := self._commands.receive()) is not Command.STOPPED:
            if command is not Command.STOP:
                continue
            if not own_stop_pending:
                LOG.warning("second stop signal: running tasks are left behind")
                return
            own_stop_pending = False
