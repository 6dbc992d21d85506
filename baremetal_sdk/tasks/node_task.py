"""The task of the runtime: a piece of work on one node, and all services that drivers use during it."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from baremetal_interfaces import (
    BareMetalError,
    Connector,
    Deadline,
    Driver,
    DriverState,
    Interface,
    InvalidInput,
    Kind,
    Node,
    Port,
    PowerSampling,
)
from baremetal_interfaces.json_comparison import is_same
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc import BMCCredential, SlotsInfo
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.drivers.catalog import find_kind_with, get_interface_names
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.observability.node_log import LOG, NodeLog
from baremetal_sdk.observability.telemetry import FAILED, Observation, Work, classify_outcome
from baremetal_sdk.store.records.node import Lease, NodeRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.driver_calls import DriverCalls
from baremetal_sdk.tasks.node_secrets import NodeSecrets
from baremetal_sdk.tasks.node_view import build_node
from baremetal_sdk.tasks.node_writes import NodeWrites
from baremetal_sdk.tasks.power import PowerActionGate, TaskPower
from baremetal_sdk.tasks.power_reader import PowerReader


class NodeTask:
    """A piece of work on one node, usually under the node's lease. Drivers see the part that the contract's ``Task`` declares.

    Without a *lease*, the task only reads. No driver call lasts longer than until *deadline*. *on_end* is called after the
    release of the lease.

    A task belongs to one thread at a time: the one that acquired it, and after :meth:`run_in_background` the worker. Only
    :meth:`cancel` and :meth:`abandon` may be called from other threads.
    """

    def __init__(
        self,
        dependencies: TaskDependencies,
        record: NodeRecord,
        lease: Lease | None,
        *,
        on_end: Callable[[NodeTask], None] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._dependencies = dependencies
        self._writes = NodeWrites(
            dependencies.store,
            dependencies.leases,
            dependencies.history,
            dependencies.change_listeners,
            dependencies.unwritten_failures,
            record=record,
            lease=lease,
        )
        self._on_end = on_end
        self._cancel = threading.Event()
        self._calls = DriverCalls(self, deadline)
        self._states: dict[Kind, DriverState] = {}
        self._infos: dict[Kind, Any] = {}
        self._borrowed: dict[type, Any] = {}
        self._ports: tuple[Port, ...] | None = None
        self._driver: Driver | None = None
        self._secrets = NodeSecrets(dependencies.secrets, dependencies.credentials)
        self._is_in_background = False
        self._is_abandoned = False
        self._observation: Observation | None = None
        if lease is not None:
            self._observation = dependencies.telemetry.begin(Work.TASK, {"purpose": lease.purpose}, node=record.uuid)
        self._initial_error = record.last_error
        self.power = TaskPower(self)

    def __enter__(self) -> Self:
        if self._observation is not None:
            self._observation.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if self._observation is not None:
            self._observation.leave()
        if not self._is_in_background:
            self.release(exc)

    def release(self, error: BaseException | None = None) -> None:
        """Release the lease and end the task. *error* is the exception that ended its work, or None.

        A failed release is logged and not raised: the lease then expires by itself.
        """
        try:
            self._writes.release()
        except BareMetalError as exc:
            self.log.error("the lease could not be released; it is released later or expires: %s", exc)
        if self._observation is not None:
            # Most failures are not raised up to here: services store them in the node's last_error.
            failed = FAILED if self.record.last_error not in (None, self._initial_error) else None
            self._observation.end(classify_outcome(error) if error else failed)
        if self._on_end is not None:
            self._on_end(self)

    def abandon(self) -> None:
        """Release the lease although the work still runs, because the conductor stops and cannot wait for it any longer.

        From here on each write and each driver call of the task raises ``LeaseLost``. Another conductor may take the node.
        """
        self._is_abandoned = True
        self.cancel()
        self._writes.release()

    def run_in_background(self, executor: Executor, work: Callable[[NodeTask], Any]) -> Future[None]:
        """Run *work* with this task on a worker of *executor*. The worker releases the lease at the end of *work*.

        Raises ``NoFreeWorker`` if the executor is full. The caller then still owns the task and has to release it.
        """

        def run() -> None:
            try:
                work(self)
            except BaseException as exc:
                self.log.exception("the task ended with an unexpected error")
                self.release(exc)
                raise
            self.release()

        # Set before the submission: the worker may end the task before submit() returns, and the end of the caller's
        # "with" block must not end it a second time.
        self._is_in_background = True
        try:
            future = executor.submit(run)
        except BaseException:
            self._is_in_background = False
            raise
        # Work that is cancelled while it is queued never runs, and would hold the lease until it expires.
        future.add_done_callback(lambda done: self.release() if done.cancelled() else None)
        return future

    @property
    def record(self) -> NodeRecord:
        """The node's record as of the task's last write."""
        return self._writes.record

    @property
    def lease(self) -> Lease | None:
        """The node's lease. None for a task that only reads, and after the release."""
        return self._writes.lease

    @property
    def node(self) -> Node:
        """The node as drivers see it: a read-only copy of its record, with the secrets of ``instance_info``."""
        return build_node(self.record, self._secrets.instance_info(self.record, self.driver), self._dependencies.store)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The node's ports, read from the store at the first use."""
        if self._ports is None:
            rows = self._dependencies.store.ports(Query(where={"node_uuid": self.record.uuid}))
            self._ports = tuple(
                Port(row.uuid, row.address, row.pxe_enabled, row.local_link_connection, row.extra) for row in rows
            )
        return self._ports

    @property
    def driver(self) -> Driver:
        """The interface implementations that the node's record selects, created at the first use."""
        if self._driver is None:
            self._driver = self._dependencies.drivers.compose(self.record.driver, get_interface_names(self.record))
        return self._driver

    @property
    def options(self) -> ConductorOptions:
        """The conductor's options, as of the last reload."""
        return self._dependencies.options()

    @property
    def power_gate(self) -> PowerActionGate:
        """The gate that blocks the power actions of the conductor during maintenance of its room."""
        return self._dependencies.power_gate

    @property
    def clock(self) -> Clock:
        """The conductor's clock."""
        return self._dependencies.clock

    @property
    def deadline(self) -> Deadline:
        """The deadline of the current driver call, or of the next one. See :attr:`DriverCalls.deadline`."""
        return self._calls.deadline

    def deadline_within(self, seconds: float) -> Deadline:
        """Return the deadline *seconds* from now, or the task's deadline if that is earlier."""
        return self._calls.deadline_within(seconds)

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the node. ``RequestIdFilter`` adds the request to each line."""
        return NodeLog(LOG, {"node": self.record.uuid})

    @property
    def cancelled(self) -> bool:
        """True once the task has been asked to stop."""
        return self._cancel.is_set()

    @property
    def is_leaving(self) -> bool:
        """True if this conductor is stopping and another conductor can take over the node."""
        return self._dependencies.is_leaving(self.record)

    def cancel(self) -> None:
        """Ask the task to stop: set :attr:`cancelled` and wake its waits. A driver call continues. Safe from any thread."""
        self._cancel.set()

    def wait(self, seconds: float) -> bool:
        """Wait for *seconds* or until the task is cancelled. Return whether it was cancelled."""
        return self._cancel.wait(seconds)

    def info(self, kind: Kind | str) -> Any:
        """Return the typed ``driver_info`` of the interface of *kind*. Raises ``InvalidInput`` if it is invalid."""
        kind = Kind(kind)
        if kind not in self._infos:
            info_type = self.driver[kind].info_type
            if info_type is None:
                raise LookupError(f"the {kind} interface of {self.record.driver} declares no info_type to parse driver_info")
            self._infos[kind] = self._secrets.parse_driver_info(info_type, self.record, self.driver)
        return self._infos[kind]

    @property
    def raw_info(self) -> Mapping[str, Any]:
        """``driver_info`` including its secrets. Only drivers may see it."""
        return self._secrets.driver_info(self.record, self.driver)

    def with_instance_secret(self, name: str, value: str | None) -> dict[str, Any]:
        """Return the changes of the node's record that set a secret of ``instance_info``, stored sealed, or remove it (None)."""
        return self._secrets.changed_instance_info(self.record, name, value)

    def state(self, kind: Kind | str) -> Any:
        """Return the state that the interface of *kind* keeps for this node. Changes are stored after each driver call."""
        kind = Kind(kind)
        if kind not in self._states:
            state_type = self.driver[kind].state_type
            if state_type is None:
                raise LookupError(f"the {kind} interface of {self.record.driver} declares no state_type to keep a state")
            self._states[kind] = state_type.load(self.record.driver_state.get(str(kind)))
        return self._states[kind]

    @contextmanager
    def session(self, connector: type[Connector[Any]]) -> Iterator[Any]:
        """Borrow a session with the node's BMC. Nested borrows of one task share the session."""
        if connector in self._borrowed:
            session, slots = self._borrowed[connector]
            # A thread that the driver started itself has no slots yet, and must respect the BMC's limit as well.
            with use_slots(current_slots() or slots):
                yield session
            return
        info = self.info(find_kind_with(self.driver, connector))
        self._calls.record_bmc(info.endpoint())
        credential = self._credential(connector, info)
        with self._dependencies.bmc.borrow_with(credential, self.deadline, owner=self) as session:
            self._borrowed[connector] = (session, credential.slots)
            try:
                yield session
            finally:
                del self._borrowed[connector]

    def call(self, kind: Kind | str, method: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Call *method* of the node's interface of *kind* within *timeout* seconds. See :meth:`DriverCalls.run`."""
        return self.call_with(kind, method, *args, arguments=kwargs, timeout=timeout)

    def call_with(
        self, kind: Kind | str, method: str, /, *args: Any, arguments: Mapping[str, Any], timeout: float | None = None
    ) -> Any:
        """Call a driver method as :meth:`call` does. Names in *arguments* may equal those of parameters of this method."""
        interface = self.driver[kind]
        return self._calls.run(
            functools.partial(getattr(interface, method), self, *args, **arguments),
            interface=str(kind),
            method=method,
            implementation=type(interface).__name__,
            timeout=timeout,
        )

    def power_reader(self) -> PowerReader | None:
        """Return a reader for frequent reads of the node's power. None if the power interface has no ``PowerSampling``."""
        power = self.driver.power
        if not isinstance(power, PowerSampling) or power.connector is None:
            return None
        info = self.info(Kind.POWER)
        credential = self._credential(power.connector, info)
        is_current = self._secrets.freshness_check(self.record.uuid)
        return PowerReader(power, power.sample_target(info), self._dependencies.bmc, credential, is_current)

    def sample_power(self) -> Any:
        """Read and return the machine's power state with as few requests as the driver supports. Do not store it.

        A driver with ``PowerSampling`` needs one request over an open session. Otherwise call ``get_power_state``.
        """
        reader = self.power_reader()
        if reader is not None:
            state = self._calls.run(
                lambda: reader.read_once(self.deadline),
                interface="power",
                method="sample_power",
                implementation=type(self.driver.power).__name__,
                bmc=reader.endpoint,
            )
            if state is not None:
                return state
        return self.call(Kind.POWER, "get_power_state")

    def observing(self, work: Work, labels: dict[str, str], **details: Any) -> Observation:
        """Return an observation that times a part of the task's work and notifies the observers when it ends."""
        return self._dependencies.telemetry.begin(work, labels, node=self.record.uuid, **details)

    def validate(self, *kinds: Kind) -> None:
        """Validate the node's interfaces of *kinds*. Raises ``InvalidInput`` with all problems that they report."""
        problems: dict[str, None] = {}
        for kind in kinds:
            problems.update(dict.fromkeys(self.problems(kind)))
        if problems:
            raise InvalidInput(". ".join(problems))

    def problems(self, kind: Kind) -> list[str]:
        """Validate the node's interface of *kind*, and return the problems that it reports. Empty if the interface is usable.

        Raises ``NotSupported`` if the node has no such interface.
        """
        interface: Interface = self.driver[kind]
        try:
            if interface.info_type is not None:
                self.info(kind)
                SlotsInfo.parse(self.raw_info)
            self.call(kind, "validate")
        except InvalidInput as exc:
            return [str(problem) for problem in exc.problems] or [exc.message]
        return []

    def write(self, **changes: Any) -> NodeRecord:
        """Write *changes* to the node and return its new record. Raises ``LeaseLost`` if the task no longer holds the lease."""
        return self._writes.update(changes)

    def finish(self, **changes: Any) -> NodeRecord:
        """Write *changes* to the node and release the lease in the same write. Return the new record."""
        return self._writes.finish(changes)

    def delete_node(self) -> None:
        """Delete the node and its lease from the store."""
        self._writes.delete_node()

    def take_unwritten_failure(self) -> str | None:
        """Return and forget the failure that the last holder of the node's lease could not write. See ``UnwrittenFailures``."""
        return self._dependencies.unwritten_failures.take(self.record.uuid, self.record.epoch)

    @property
    def unsealed_secrets(self) -> tuple[str, ...]:
        """Values of the secrets that the driver has seen so far. Errors of the driver are stored and sent with masks for them."""
        return self._secrets.unsealed_values

    def check_not_abandoned(self) -> None:
        """Raise ``LeaseLost`` if the task was abandoned with :meth:`abandon`."""
        if self._is_abandoned:
            raise LeaseLost(f"node {self.record.uuid}: the task no longer holds the node's lease; the driver call was rejected")

    def check_lease(self, sent: bool) -> None:
        """Raise ``LeaseLost`` if the lease has expired. Runs before and after each message to the BMC.

        *sent* is True after the message; the error then says that its effect is unknown. With False, the error says that the
        message was not sent. Do nothing for a task without a lease.
        """
        if self.lease is not None:
            self._dependencies.leases.check(self.lease.fence, sent=sent)

    def store_driver_states(self) -> None:
        """Write the states that interfaces keep for the node to its record if they have changed. Do nothing without a lease."""
        if not self._states or self.lease is None:
            return
        stored = {**self.record.driver_state, **{str(kind): state.dump() for kind, state in self._states.items()}}
        if not is_same(stored, self.record.driver_state):
            self.write(driver_state=stored)

    def _credential(self, connector: type[Connector[Any]], info: Any) -> BMCCredential:
        secrets = self._secrets.values(self.record, self.driver)
        return self._dependencies.credential(connector, info, self.record.driver, self.raw_info, secrets)
