"""The conductor: what a host application makes, adds to, starts and stops. The one place that knows in which order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Self

from baremetal_interfaces import Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.cluster.hash_ring import REMEMBERED
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.concurrency.periodic import Interval, Periodic, bind_conductor, find_periodic_methods, resolve_interval
from baremetal_sdk.concurrency.pool import ElasticPool
from baremetal_sdk.conductor.components import Assembly, Given, lanes_for
from baremetal_sdk.conductor.periodic_jobs import own_intervals, own_work
from baremetal_sdk.conductor.readings import conductor_readings
from baremetal_sdk.conductor.signals import Order, Orders, heard
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import Drivers
from baremetal_sdk.drivers.credentials import Credentials
from baremetal_sdk.drivers.loader import Plugins
from baremetal_sdk.lifecycle import Phase, Runnable, is_runnable
from baremetal_sdk.observability.metrics import MetricsRegistry
from baremetal_sdk.observability.monitoring import Monitoring
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.provisioning.recovery import expire_all_leases
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.registry import methods_of
from baremetal_sdk.sensors import Notifier
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.change_listeners import Callback, ChangeListeners
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.power import PowerActionGate

LOG = logging.getLogger(__name__)
_LAST_WORD = 0.2
"""The share of the time to stop in which tasks that still run have been told to."""
_REMEMBERED = REMEMBERED + 0.5
"""Seconds in which callers may still ask a conductor that has left."""
_SESSIONS = 5.0
"""Seconds for logging out of all BMCs at the end."""
_MOMENT = 1.0
"""Seconds that each thing of a stop has at least, also after the deadline."""


class Conductor:
    """Drives the nodes of a store. Everything is handed in; nothing is global, and nothing happens before :meth:`start`.

    *store* defaults to the one of ``[database] connection`` (in memory without one), *plugins* to what is installed,
    *pool* to one of its own. *metrics* is a registry of Prometheus' client to register with, *tracing* a tracer provider of
    OpenTelemetry, *credentials* where secrets are that are not in the store, *notifier* who is told what
    sensors say (a ``Notifier`` of oslo.messaging, or anything with its ``info``).
    With *sole_owner* the caller vouches that no other process uses the store: leases of conductors that died are then void
    at once, and not only when they expire.
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
        """Whether it can work: true from the end of :meth:`start` until :meth:`stop` has answered the last request."""
        self.monitoring = Monitoring(self.config.hostname, metrics, tracing)
        """Who observes what it does: metrics and traces."""
        self._given = Given(store, plugins, secrets, pool, credentials, notifier, self.monitoring.telemetry)
        self._sole_owner = sole_owner
        self._added: list[Any] = []
        self._runnables: list[Runnable] = []
        self._periodics: list[Periodic] = []
        self._intervals: dict[str, Interval] = {}
        self._orders = Orders()
        self._changes = ChangeListeners()
        self._assembly: Assembly | None = None
        self.rpc_server: transports.RPCServer | None = None
        """What takes calls of other processes while it runs, where ``rpc_transport`` is not ``none``."""
        self._stopping = False

    def add(self, thing: Any) -> None:
        """Add a runnable, or an object with methods under ``periodic`` or ``rpc_method``, before the start."""
        if self._assembly is not None:
            raise RuntimeError("the conductor has started; add what it is to run before that")
        if not (is_runnable(thing) or methods_of(thing) or find_periodic_methods(thing)):
            raise TypeError(
                f"{type(thing).__name__} has no phase with start() and stop(), no periodic and no RPC method: nothing to add"
            )
        self._added.append(thing)

    def start(self) -> None:
        """Start everything, in this order; when it returns the conductor is ready. What fails stops the rest again."""
        if self._assembly is not None:
            raise RuntimeError("the conductor has started already")
        refuse_monkey_patching()
        self._assembly = Assembly(self.config, self.clock, self._given, self._changes)
        try:
            self._start(self._assembly)
        except BaseException:
            self.stop(0.0)
            raise

    def stop(self, timeout: float | None = None) -> None:
        """Stop everything, the other way round, within *timeout* seconds (``graceful_shutdown_timeout``) whatever tasks do."""
        assembly = self._assembly
        if assembly is None or self._stopping:
            return
        self._stopping = True
        self._orders.give(Order.STOP)
        try:
            self._stop(assembly, timeout)
        finally:
            self._assembly, self._stopping, self.ready = None, False, False
            self._orders.give(Order.ENDED)

    def _stop(self, assembly: Assembly, timeout: float | None) -> None:
        seconds = self.config.conductor.graceful_shutdown_timeout if timeout is None else timeout
        deadline = Deadline.after(seconds, self.clock.monotonic)
        self._safely("leaving nodes to other conductors", self._leave_to_peers, assembly, deadline)
        # First what takes requests, so that no new work comes; those that were let in are answered as ever.
        for runnable in reversed(self._runnables):
            self._in_time(deadline, f"stopping {type(runnable).__name__}", runnable.stop, deadline)
        self._runnables.clear()
        if self.rpc_server is not None:
            self._in_time(deadline, "stopping RPC", self.rpc_server.stop, deadline)
            self.rpc_server = None
        assembly.dispatcher.close()
        self.ready = False
        self._safely("stopping the reading of sensors", assembly.sensors.stop)
        self._safely("stopping power sync", assembly.power_sync.stop)
        # Leases are renewed until the tasks have ended: they still need them.
        self._drain(assembly, deadline)
        moment = deadline.within(_MOMENT)
        for periodic in self._periodics:
            periodic.stop()
        for periodic in self._periodics:
            periodic.stop(moment.remaining())
        self._periodics.clear()
        # What did not end leaves nodes to others, or to the next start, now and not when a lease expires.
        for task in assembly.tasks.live():
            self._in_time(deadline, f"giving back the lease of node {task.record.uuid}", task.abandon)
        self._in_time(deadline, "storing the history of nodes", assembly.history.flush)
        self._in_time(deadline, "closing sessions", assembly.bmc.close, deadline.within(_SESSIONS))
        self._in_time(deadline, "leaving", assembly.membership.leave)
        self.telemetry.remove(assembly.recent_calls)
        self._safely("ending the observation", self.monitoring.stop)
        if self._given.store is None:
            self._in_time(deadline, "closing the store", assembly.store.close)

    def _leave_to_peers(self, assembly: Assembly, deadline: Deadline) -> None:
        """Where others live, leave before anything ends: they go on with what waits, and with runs between two steps."""
        if not self.ready or not assembly.membership.has_peers():
            return
        assembly.membership.leave()
        if self.rpc_server is not None:
            # Callers remember for a moment who lives: they are answered meanwhile.
            LOG.info("left to other conductors; calls are answered for %g s more", _REMEMBERED)
            threading.Event().wait(min(_REMEMBERED, deadline.remaining() / 4))

    def run(self, ready: Callable[[], None] | None = None, reload: Callable[[], ConductorConfig] | None = None) -> None:
        """Start, call *ready*, serve until SIGTERM or SIGINT (or :meth:`stop`), and stop; a second signal waits for no task.

        On SIGHUP it takes over what *reload* reads; an error in it is logged, and changes nothing. A signal to stop that comes
        during the start is heeded after it, a second one interrupts it. It installs signal handlers for as long as it runs, and
        so has to be called in the main thread.
        """
        self._orders = Orders()
        with heard(self._orders):
            self._orders.starting = True
            self.start()
            self._orders.starting = False
            try:
                if ready is not None:
                    ready()
                while self._orders.take() is Order.RELOAD:
                    self._safely("reloading", self._reload_from, reload)
            finally:
                LOG.info("stopping")
                self._stop_or_be_forced()

    def reload(self, config: ConductorConfig) -> None:
        """Take over what can change while it runs: pool size, intervals, time limits, and what added parts can reload."""
        assembly = self.assembly
        self.config, assembly.options = config, config.conductor
        if assembly.owns_pool:
            assembly.pool.resize(config.conductor.workers_pool_size, lanes_for(config.conductor.workers_pool_size))
        assembly.leases.duration = config.conductor.lease_duration
        for periodic in self._periodics:
            periodic.change_interval(self._seconds(periodic.name))
        assembly.power_sync.reload(config.conductor)
        assembly.sensors.reload(config.sensor_data)
        self._safely("reading the keys of credentials again", assembly.resealing.reload)
        for runnable in (*self._runnables, self.rpc_server):
            if runnable is not None and hasattr(runnable, "reload"):
                self._safely(f"reloading {type(runnable).__name__}", runnable.reload, config)

    def acquire(self, node: str, *, purpose: str, deadline: Deadline | None = None) -> NodeTask:
        """Take the node with this name or UUID for exclusive work: use it in a ``with`` block. It never waits.

        No call of a driver, and no wait for power, goes on after *deadline*.
        """
        return self.assembly.tasks.acquire(self.store.node(node).uuid, purpose=purpose, deadline=deadline)

    def enqueue(
        self, node: str, work: Callable[[NodeTask], Any], *, purpose: str, deadline: Deadline | None = None
    ) -> Future[Any]:
        """Run *work* on a worker with a task on the node, once it is free, in the order of these calls. No thread waits.

        What has not begun when the conductor stops is cancelled.
        """
        return self.assembly.queues.enqueue(self.store.node(node).uuid, purpose, work, deadline)

    def nodes(self, fields: Sequence[str] | None = None, **where: Any) -> Sequence[Row]:
        """The nodes for which these fields have these values."""
        return self.store.nodes(NodeQuery(where=where, fields=None if fields is None else tuple(fields)))

    def follow(self, callback: Callback) -> Callable[[], None]:
        """Call *callback* with a node after each change that a task makes, in the task's thread; the result ends that."""
        return self._changes.subscribe(callback)

    @property
    def store(self) -> Store:
        """The store."""
        return self.assembly.store

    @property
    def rpc(self) -> RPCClient:
        """How the API, or the host application, calls the conductor."""
        return self.assembly.rpc

    @property
    def drivers(self) -> Drivers:
        """The hardware types and interfaces that are offered, and those that could not be loaded."""
        return self.assembly.drivers

    @property
    def telemetry(self) -> Telemetry:
        """Those who hear of what it does."""
        return self.monitoring.telemetry

    @property
    def pool(self) -> ElasticPool:
        """The worker pool."""
        return self.assembly.pool

    @property
    def power_gate(self) -> PowerActionGate:
        """Holds back all power actions of this conductor, and releases them."""
        return self.assembly.power_gate

    @property
    def assembly(self) -> Assembly:
        """The parts, once the conductor has started."""
        if self._assembly is None:
            raise RuntimeError("the conductor has not started")
        return self._assembly

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, assembly: Assembly) -> None:
        # Configuration, drivers and store are there by now. What died before us is void before anybody looks at it.
        if self._sole_owner:
            expire_all_leases(assembly.store)
        self.monitoring.start(assembly.store)
        self.monitoring.show(lambda: conductor_readings(assembly))
        self.monitoring.show(assembly.sensors.readings)
        assembly.membership.join()
        # Leases are renewed before any work can take one.
        self._repeat_own_work(assembly)
        # What the last incarnation left behind, before new work mixes with it.
        for sweep in (assembly.recovery.sweep, assembly.recovery.sweep_power, assembly.allocations.sweep, assembly.resealing.run):
            sweep()
        # From here on it can work. What was added comes last, in its phases: an API that listens is then able to answer.
        for thing in self._added:
            assembly.registry.add(thing)
            for function, declared in find_periodic_methods(thing):
                self._intervals[name := f"{type(thing).__name__}.{function.__name__}"] = declared.every
                self._repeat(assembly, "periodic", bind_conductor(function, self), name, soon=declared.run_immediately)
        assembly.dispatcher.open()
        self.rpc_server = transports.server(self.config, assembly.dispatcher, self.clock)
        if self.rpc_server is not None:
            self.rpc_server.start()
        self.ready = True
        for runnable in sorted(filter(is_runnable, self._added), key=lambda one: Phase(one.phase)):
            runnable.start(self)
            self.monitoring.show_part(runnable)
            self._runnables.append(runnable)

    def _repeat_own_work(self, assembly: Assembly) -> None:
        for name, (lane, function) in own_work(assembly).items():
            self._repeat(assembly, lane, function, name)

    def _repeat(self, assembly: Assembly, lane: str, function: Callable[[], Any], name: str, *, soon: bool = False) -> None:
        every = self._seconds(name)
        periodic = Periodic(function, every or 1.0, timer=assembly.pool.timer, executor=assembly.lanes[lane], name=name)
        self._periodics.append(periodic)
        if every > 0:
            periodic.start(spread=1.0, soon=soon)

    def _seconds(self, name: str) -> float:
        """The interval of some periodic work, as the configuration has it now; 0: none."""
        own = own_intervals(self.config).get(name)
        return max(0.0, resolve_interval(self._intervals[name], self) if own is None else own)

    def _drain(self, assembly: Assembly, deadline: Deadline) -> None:
        """Let tasks end; near the end of the time tell them to; give back who would not."""
        assembly.queues.close()
        gentle = deadline.within(deadline.remaining() * (1 - _LAST_WORD))
        assembly.lanes.drain(gentle.remaining())
        # What runs in threads of the host's own has a task, too.
        assembly.tasks.drain(gentle.remaining())
        for task in assembly.tasks.live():
            task.cancel()
        assembly.tasks.drain(deadline.remaining())
        for straggler in assembly.lanes.close(deadline.remaining()):
            LOG.error("%s has run for %.0f s and does not end; the stop goes on without it", straggler.task, straggler.age)

    def _reload_from(self, read: Callable[[], ConductorConfig] | None) -> None:
        if read is not None:
            self.reload(read())
            LOG.info("the configuration was read again")

    def _stop_or_be_forced(self) -> None:
        """Stop in a thread of its own, so that a second signal is heard; the thread's own order to stop is not one."""
        stopping = threading.Thread(target=self.stop, name="conductor-stop", daemon=True)
        own = self._assembly is not None and not self._stopping
        stopping.start()
        while (order := self._orders.take()) is not Order.ENDED:
            if order is Order.STOP and not own:
                LOG.warning("a second signal: what still runs is left")
                return
            own = own and order is not Order.STOP

    def _in_time(self, deadline: Deadline, doing: str, function: Callable[..., Any], *args: Any) -> None:
        """Do one thing of a stop. What does not end by the deadline, or in a moment after it, is left."""
        thread = threading.Thread(target=self._safely, args=(doing, function, *args), name="conductor-stopping", daemon=True)
        thread.start()
        thread.join(max(deadline.remaining(), _MOMENT))
        if thread.is_alive():
            LOG.error("%s does not end; the stop goes on without it", doing)

    def _safely(self, doing: str, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        except Exception:
            LOG.exception("%s failed", doing)
