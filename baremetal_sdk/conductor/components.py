"""Creation and connection of all components of a conductor: drivers, store, worker pool, tasks, jobs and services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baremetal_sdk.bmc import BMCAccess, parse_slot_rules
from baremetal_sdk.bmc.stored_refusals import StoredRefusals
from baremetal_sdk.clock import Clock
from baremetal_sdk.cluster.hash_ring import HashRing
from baremetal_sdk.cluster.membership import Membership
from baremetal_sdk.cluster.tooz_coordinator import ToozCoordinator
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, SharedPool
from baremetal_sdk.conductor.key_rotation import KeyRotation
from baremetal_sdk.conductor.pruning import Pruner
from baremetal_sdk.config import ConductorConfig, ConductorOptions
from baremetal_sdk.drivers.catalog import DriverCatalog
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
from baremetal_sdk.rpc.in_process import InProcessClient
from baremetal_sdk.rpc.registry import MethodRegistry
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
from baremetal_sdk.store.key_check import open_secret_box
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.sealed_columns import seal_columns
from baremetal_sdk.store.secrets import PlainBox, SecretBox
from baremetal_sdk.tasks.change_listeners import ChangeListeners
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.leases import Leases, new_holder
from baremetal_sdk.tasks.node_queue import NodeQueues
from baremetal_sdk.tasks.power import PowerActionGate
from baremetal_sdk.tasks.task_manager import TaskManager


@dataclass(frozen=True)
class Overrides:
    """Components that the host application passes to a conductor. The conductor creates those that are None."""

    store: Store | None = None
    plugins: Plugins | None = None
    secrets: SecretBox | None = None
    pool: ElasticPool | None = None
    credentials: Credentials | None = None
    notifier: Notifier | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)


class Components:
    """The components of one conductor, created and connected. None of them works until the conductor starts them."""

    def __init__(self, config: ConductorConfig, clock: Clock, overrides: Overrides, changes: ChangeListeners) -> None:
        options = self.options = config.conductor
        # Raises ConfigurationError for malformed options. The rules themselves are parsed again for each driver.
        parse_slot_rules(options.bmc_max_in_flight, options.bmc_concurrency_scope)
        limit_documents(options.bmc_max_document_size)
        self.clock = clock
        self.power_gate = PowerActionGate()
        # Drivers come first: without any hardware type, the store and the pool need not be opened.
        self.drivers = DriverCatalog(overrides.plugins or discover(), config)
        if not self.drivers.list_hardware_types():
            raise ConfigurationError(
                "no hardware type is available; install or repair a driver plugin: " + _describe_failures(self.drivers)
            )
        self.store: Store = _take_store(config, overrides, clock)
        secrets = overrides.secrets or _open_secret_box(config, self.store, owns_store=overrides.store is None)
        seal_columns(self.store, secrets)
        self.owns_pool = overrides.pool is None
        size = options.workers_pool_size
        self.pool = overrides.pool or ElasticPool(size, lanes_for(size), name="conductor")
        self.lanes: ElasticPool | SharedPool = self.pool if self.owns_pool else _share_pool(self.pool)
        """The lanes for the work of this conductor. Closing them leaves a pool of the host application open."""
        holder = new_holder(config.hostname)
        # Another conductor takes over an expired lease only after the longest driver call: by then, no command that the
        # holder sent can still reach the BMC.
        self.leases = Leases(self.store, holder, options.lease_duration, clock, grace=lambda: self.options.bmc_call_timeout)
        self.membership = self._membership(config, holder, clock)
        self.history = History(self.store, config.hostname, clock, lambda: self.options)
        self.recent_calls = RecentCalls(clock)
        overrides.telemetry.add(self.recent_calls)
        self.bmc = self._bmc_access(secrets, clock, overrides)
        self.tasks = self._tasks(secrets, clock, changes, overrides)
        self.key_rotation = KeyRotation(self.store, secrets)
        self.pruner = Pruner(self.store, clock, config.events)
        self.queues = NodeQueues(self.tasks, self.lanes["requests"], self.lanes["periodic"])
        rules = InspectionRules(self.store, self.drivers, secrets)
        handlers = StateHandlers(self.store, rules)
        self.step_resumer = StepResumer(
            self.tasks, self.lanes["provisioning"], handlers.resume, belongs_to_peer=self.membership.belongs_to_peer
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
        self.power_sync = self._power_sync(clock, overrides)
        self.sensors = self._sensors(config, clock, overrides)
        self.allocations = Allocations(
            self.store, self.tasks, self.lanes["requests"], holder, living=self.membership.ring.list_live_holders
        )
        self.registry = MethodRegistry()
        self.dispatcher = Dispatcher(self.registry, self.lanes["requests"], overrides.telemetry)
        self.rpc = InProcessClient(self.dispatcher)
        for service in (*self._services(secrets, handlers), *self._controls(handlers)):
            self.registry.add(service)

    def _membership(self, config: ConductorConfig, holder: str, clock: Clock) -> Membership:
        url = config.coordination.backend_url
        coordinator = None if url is None else ToozCoordinator(url)
        liveness_source = None if coordinator is None else coordinator.members
        ring = HashRing(lambda: self.store, clock, lambda: self.options.heartbeat_interval, liveness_source=liveness_source)
        incarnation, group = holder.rpartition("/")[2], config.conductor_group
        return Membership(self.store, self.drivers, ring, config.hostname, incarnation, group, coordinator=coordinator)

    def _bmc_access(self, secrets: SecretBox, clock: Clock, overrides: Overrides) -> BMCAccess:
        refusals = StoredRefusals(self.store, secrets)
        return BMCAccess(clock, refusals=refusals, telemetry=overrides.telemetry, ca_directory=self.options.bmc_ca_directory)

    def _tasks(self, secrets: SecretBox, clock: Clock, changes: ChangeListeners, overrides: Overrides) -> TaskManager:
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
                credentials=overrides.credentials or _credentials(self.options),
                telemetry=overrides.telemetry,
                is_leaving=self.membership.is_leaving,
            )
        )

    def _power_sync(self, clock: Clock, overrides: Overrides) -> PowerSync:
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
            telemetry=overrides.telemetry,
        )

    def _sensors(self, config: ConductorConfig, clock: Clock, overrides: Overrides) -> SensorCollection:
        return SensorCollection(
            self.store,
            self.tasks,
            self.lanes["power"],
            clock,
            config.sensor_data,
            host=config.hostname,
            notifier=overrides.notifier,
            is_mine=self.membership.owns,
            telemetry=overrides.telemetry,
        )

    def _services(self, secrets: SecretBox, handlers: StateHandlers) -> Sequence[object]:
        """Create the services that store nodes and change their provision and power states."""
        return (
            Nodes(
                self.store,
                self.tasks,
                self.drivers,
                secrets,
                self.history,
                allow_deleting_available=lambda: self.options.allow_deleting_available_nodes,
                forget_calls=self.recent_calls.forget,
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
        """Create the services that call the driver of one node for a client, such as consoles and virtual media."""
        lane = self.lanes["requests"]
        return (
            Consoles(self.tasks, lane),
            Indicators(self.tasks),
            Interrupts(self.tasks),
            VirtualMedia(self.tasks, lane),
            VIFs(self.tasks),
            Explanations(self.tasks, self.recent_calls.list_for_node, self.bmc.describe_breakers),
            RAID(self.tasks, self.drivers),
            VendorPassthru(self.tasks, lane, self.drivers),
            Agents(self.store, self.tasks, self.lanes["provisioning"], handlers),
        )


def lanes_for(size: int) -> Mapping[str, LaneLimits]:
    """Return the lanes of a pool with *size* threads.

    Each lane is isolated from the others: heartbeats never wait for other work, and a client's power action does not wait
    for a hundred deployments.
    """
    few = max(1, size // 10)
    return {
        "heartbeat": LaneLimits(reserved=1, cap=2, queue=16),
        "periodic": LaneLimits(reserved=1, cap=max(2, few), queue=100),
        "requests": LaneLimits(reserved=1 if size < 10 else few, queue=1000),
        "provisioning": LaneLimits(reserved=0 if size < 10 else few, cap=max(1, size - few), queue=2000),
        "power": LaneLimits(cap=max(1, size * 5 // 6), queue=20_000),
    }


def _share_pool(pool: ElasticPool) -> SharedPool:
    """Return a view of a host application's pool. Lanes of the conductor that the pool lacks are added to it."""
    pool.resize(lanes={name: limits for name, limits in lanes_for(pool.max_workers).items() if name not in pool.lanes})
    return SharedPool(pool)


def _open_store(config: ConductorConfig, clock: Clock) -> Store:
    threads = config.conductor.workers_pool_size + config.api.max_threads
    connections = config.database.max_pool_size or connection_pool_size(threads)
    return open_store(
        config.database.connection,
        clock=clock,
        connections=connections,
        events=config.events.enabled,
        sqlite_synchronous=config.database.sqlite_synchronous,
    )


def limit_documents(size: int) -> None:
    """Set the maximum size of a document from a BMC, in bytes, for all sessions of this process."""
    # Imported here, because ssl and sockets are slow to import.
    from baremetal_interfaces.http import set_max_document_bytes

    set_max_document_bytes(size)


def _credentials(options: ConductorOptions) -> Credentials | None:
    if options.credentials_directory is not None:
        return CredentialFiles(options.credentials_directory)
    return None if options.credentials_env_prefix is None else CredentialVariables(options.credentials_env_prefix)


def _take_store(config: ConductorConfig, overrides: Overrides, clock: Clock) -> Store:
    """Return the store of the host application, or open the configured one.

    Raises ``ConfigurationError`` if the conductor opens a database and no option names the key of its credentials.
    """
    if overrides.store is not None:
        return overrides.store
    database = config.database
    has_key = overrides.secrets is not None or database.secret_key_file is not None or database.secret_key_env is not None
    if not has_key and database.connection is not None:
        raise ConfigurationError(
            "[database] secret_key_file: required with a database, because the credentials in it are encrypted; "
            "set it to the path of a file, which the conductor creates"
        )
    return _open_store(config, clock)


def _open_secret_box(config: ConductorConfig, store: Store, *, owns_store: bool) -> SecretBox:
    """Return the box for the credentials in *store*. If its keys are not usable, close an own store and raise the error."""
    try:
        return open_secret_box(config.database, store) or PlainBox()
    except BaseException:
        if owns_store:
            store.close()
        raise


def _describe_failures(drivers: DriverCatalog) -> str:
    return (
        "; ".join(f"{failure.name} ({failure.group}): {failure.reason}" for failure in drivers.failures)
        or "no plugin is installed"
    )
