"""What a conductor is made of while it runs, put together in one place from what was handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baremetal_sdk.bmc import BMCAccess, parse_slot_rules
from baremetal_sdk.bmc.stored_refusals import StoredRefusals
from baremetal_sdk.clock import Clock
from baremetal_sdk.cluster.hash_ring import Ring
from baremetal_sdk.cluster.membership import Membership
from baremetal_sdk.cluster.tooz_coordinator import ToozCoordinator
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, SharedPool
from baremetal_sdk.conductor.key_rotation import Resealing
from baremetal_sdk.conductor.pruning import Upkeep
from baremetal_sdk.config import ConductorConfig, ConductorOptions
from baremetal_sdk.drivers.catalog import Drivers
from baremetal_sdk.drivers.credentials import CredentialFiles, Credentials, CredentialVariables
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.recent_calls import RecentCalls
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.power_sync import PowerSync
from baremetal_sdk.provisioning.inspection_rules import InspectionRules
from baremetal_sdk.provisioning.recovery import Recovery
from baremetal_sdk.provisioning.resuming import StepResumer
from baremetal_sdk.provisioning.state_handlers import StateHandlers
from baremetal_sdk.rpc.dispatcher import Dispatcher
from baremetal_sdk.rpc.in_process import InProcess
from baremetal_sdk.rpc.registry import Registry
from baremetal_sdk.sensors import Notifier, SensorCollection
from baremetal_sdk.services.agents import Agents
from baremetal_sdk.services.allocations import Allocations
from baremetal_sdk.services.console import Consoles
from baremetal_sdk.services.drivers import DriverCatalogue
from baremetal_sdk.services.explanations import Explanations
from baremetal_sdk.services.indicators import Indicators, Interrupts
from baremetal_sdk.services.management import Management
from baremetal_sdk.services.nodes import Nodes
from baremetal_sdk.services.ports import Ports
from baremetal_sdk.services.power import Power
from baremetal_sdk.services.provisioning import Provisioning
from baremetal_sdk.services.raid import RAID
from baremetal_sdk.services.records import Records
from baremetal_sdk.services.traits import NodeTraits
from baremetal_sdk.services.vendor import VendorPassthru
from baremetal_sdk.services.vifs import VIFs
from baremetal_sdk.services.virtual_media import VirtualMedia
from baremetal_sdk.store.factory import connection_pool_size, open_store
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.secrets import EnvironmentBox, FernetBox, PlainBox, SecretBox
from baremetal_sdk.tasks.change_listeners import ChangeListeners
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.leases import Leases, new_holder
from baremetal_sdk.tasks.node_queue import NodeQueues
from baremetal_sdk.tasks.power import PowerActionGate
from baremetal_sdk.tasks.task_manager import TaskManager


@dataclass(frozen=True)
class Given:
    """What the host application hands to a conductor; what is None the conductor makes itself."""

    store: Store | None = None
    plugins: Plugins | None = None
    secrets: SecretBox | None = None
    pool: ElasticPool | None = None
    credentials: Credentials | None = None
    notifier: Notifier | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)


class Assembly:
    """The parts of one conductor. Drivers come first: without any, nothing else needs to be opened."""

    def __init__(self, config: ConductorConfig, clock: Clock, given: Given, changes: ChangeListeners) -> None:
        options = self.options = config.conductor
        parse_slot_rules(options.bmc_max_in_flight, options.bmc_in_flight_per)
        self.clock = clock
        self.power_gate = PowerActionGate()
        self.drivers = Drivers(given.plugins or discover(), config)
        if not self.drivers.names():
            raise ConfigurationError("no hardware type can be used: " + _reasons(self.drivers))
        secrets = given.secrets or _secret_box(config, given.store)
        self.store: Store = given.store or _opened_store(config, clock)
        self.owns_pool = given.pool is None
        self.pool = given.pool or ElasticPool(options.workers_pool_size, lanes_for(options.workers_pool_size), name="conductor")
        self.lanes: ElasticPool | SharedPool = self.pool if self.owns_pool else _share_pool(self.pool)
        """The lanes of the pool, and what of it is to end with the conductor."""
        holder = new_holder(config.hostname)
        # A lease is taken over when nothing can be on its way any more that its holder has sent.
        self.leases = Leases(self.store, holder, options.lease_duration, clock, grace=lambda: self.options.bmc_call_timeout)
        self.membership = self._membership(config, holder, clock)
        self.history = History(self.store, config.hostname, clock, lambda: self.options)
        self.recent_calls = RecentCalls(clock)
        given.telemetry.add(self.recent_calls)
        self.bmc = BMCAccess(clock, refusals=StoredRefusals(self.store, secrets), telemetry=given.telemetry)
        self.tasks = self._tasks(secrets, clock, changes, given)
        self.resealing = Resealing(self.store, secrets)
        self.upkeep = Upkeep(self.store, clock, config.events)
        self.queues = NodeQueues(self.tasks, self.lanes["requests"], self.lanes["periodic"])
        rules = InspectionRules(self.store, self.drivers, secrets)
        handlers = StateHandlers(self.store, rules)
        self.step_resumer = StepResumer(
            self.tasks, self.lanes["provisioning"], handlers.resume, is_elsewhere=self.membership.is_elsewhere
        )
        handlers.on_wait(self.step_resumer.schedule)
        self.recovery = Recovery(
            self.store,
            self.tasks,
            self.lanes["provisioning"],
            self.step_resumer,
            handlers,
            lambda: self.options,
            clock,
            is_mine=self.membership.owns,
        )
        self.power_sync = self._power_sync(clock, given)
        self.sensors = self._sensors(config, clock, given)
        self.allocations = Allocations(
            self.store, self.tasks, self.lanes["requests"], holder, living=self.membership.ring.living_holders
        )
        self.registry = Registry()
        self.dispatcher = Dispatcher(self.registry, self.lanes["requests"], given.telemetry)
        self.rpc = InProcess(self.dispatcher)
        for service in (*self._services(secrets, handlers), *self._controls(handlers)):
            self.registry.add(service)

    def _membership(self, config: ConductorConfig, holder: str, clock: Clock) -> Membership:
        url = config.coordination.backend_url
        coordinator = None if url is None else ToozCoordinator(url)
        witness = None if coordinator is None else coordinator.members
        ring = Ring(lambda: self.store, clock, lambda: self.options.heartbeat_interval, witness=witness)
        incarnation, group = holder.rpartition("/")[2], config.conductor_group
        return Membership(self.store, self.drivers, ring, config.hostname, incarnation, group, coordinator=coordinator)

    def _tasks(self, secrets: SecretBox, clock: Clock, changes: ChangeListeners, given: Given) -> TaskManager:
        return TaskManager(
            TaskDependencies(
                store=self.store,
                drivers=self.drivers,
                bmc=self.bmc,
                leases=self.leases,
                secrets=secrets,
                options=lambda: self.options,
                clock=clock,
                change_listeners=changes,
                history=self.history,
                power_gate=self.power_gate,
                credentials=given.credentials or _credentials(self.options),
                telemetry=given.telemetry,
                is_leaving=self.membership.is_leaving,
            )
        )

    def _power_sync(self, clock: Clock, given: Given) -> PowerSync:
        options = self.options
        return PowerSync(
            self.store,
            self.tasks,
            self.lanes["power"],
            clock,
            self.history,
            interval=options.sync_power_state_interval,
            max_retries=options.power_state_sync_max_retries,
            unknown_after=options.power_unknown_after,
            is_mine=self.membership.owns,
            telemetry=given.telemetry,
        )

    def _sensors(self, config: ConductorConfig, clock: Clock, given: Given) -> SensorCollection:
        return SensorCollection(
            self.store,
            self.tasks,
            self.lanes["power"],
            clock,
            config.sensor_data,
            host=config.hostname,
            notifier=given.notifier,
            is_mine=self.membership.owns,
            telemetry=given.telemetry,
        )

    def _services(self, secrets: SecretBox, handlers: StateHandlers) -> Sequence[object]:
        """The services that keep nodes and take them through their states."""
        return (
            Nodes(
                self.store,
                self.tasks,
                self.drivers,
                secrets,
                self.history,
                allow_deleting_available=lambda: self.options.allow_deleting_available_nodes,
            ),
            Ports(self.store),
            Power(self.tasks, self.lanes["requests"]),
            Management(self.tasks, self.lanes["requests"]),
            Provisioning(self.store, self.tasks, self.lanes["provisioning"], handlers, self.step_resumer),
            DriverCatalogue(self.drivers),
            Records(self.store, self.tasks),
            NodeTraits(self.store),
            self.allocations,
        )

    def _controls(self, handlers: StateHandlers) -> Sequence[object]:
        """The services that pass on to a driver what a client asks of one node."""
        lane = self.lanes["requests"]
        return (
            Consoles(self.tasks, lane),
            Indicators(self.tasks),
            Interrupts(self.tasks),
            VirtualMedia(self.tasks, lane),
            VIFs(self.tasks),
            Explanations(self.tasks, self.recent_calls.of, self.bmc.breaker),
            RAID(self.tasks, self.drivers),
            VendorPassthru(self.tasks, lane, self.drivers),
            Agents(self.store, self.tasks, self.lanes["provisioning"], handlers),
        )


def lanes_for(size: int) -> Mapping[str, LaneLimits]:
    """Lanes by what must not wait for what: heartbeats for nothing, a client's power action not for a hundred deployments."""
    few = max(1, size // 10)
    return {
        "heartbeat": LaneLimits(reserved=1, cap=2, queue=16),
        "periodic": LaneLimits(reserved=1, cap=max(2, few), queue=100),
        "requests": LaneLimits(reserved=1 if size < 10 else few, queue=1000),
        "provisioning": LaneLimits(reserved=0 if size < 10 else few, cap=max(1, size - few), queue=2000),
        "power": LaneLimits(cap=max(1, size * 5 // 6), queue=20_000),
    }


def _share_pool(pool: ElasticPool) -> SharedPool:
    """A host application's pool, with those of the conductor's lanes that it lacks."""
    pool.resize(lanes={name: limits for name, limits in lanes_for(pool.max_workers).items() if name not in pool.lanes})
    return SharedPool(pool)


def _opened_store(config: ConductorConfig, clock: Clock) -> Store:
    threads = config.conductor.workers_pool_size + config.api.max_threads
    connections = config.database.max_pool_size or connection_pool_size(threads)
    return open_store(config.database.connection, clock=clock, connections=connections, events=config.events.enabled)


def _credentials(options: ConductorOptions) -> Credentials | None:
    if options.credentials_directory is not None:
        return CredentialFiles(options.credentials_directory)
    return None if options.credentials_variables is None else CredentialVariables(options.credentials_variables)


def _secret_box(config: ConductorConfig, store: Store | None) -> SecretBox:
    if config.database.secret_key_variable is not None:
        return EnvironmentBox(config.database.secret_key_variable)
    if config.database.secret_key_file is not None:
        return FernetBox(config.database.secret_key_file)
    if store is None and config.database.connection is not None:
        raise ConfigurationError(
            "[database] secret_key_file: is needed with a database, to encrypt the credentials in it; a named file is made"
        )
    return PlainBox()


def _reasons(drivers: Drivers) -> str:
    return (
        "; ".join(f"{failure.name} ({failure.group}): {failure.reason}" for failure in drivers.failures)
        or "no plugin is installed"
    )
