"""A task: exclusive work on one node, and all that its driver may ask for."""

from __future__ import annotations

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
    send_guard,
)
from baremetal_interfaces.faults import translate
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc import BMCCredential, SlotsInfo, retry_on_expired_session
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.context import call_deadline
from baremetal_sdk.drivers.catalog import interface_names, kind_with
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.observability.node_log import LOG, NodeLog, traceback_only
from baremetal_sdk.observability.telemetry import FAILED, Observation, Work, outcome_of
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.node_secrets import NodeSecrets
from baremetal_sdk.tasks.node_view import build_node
from baremetal_sdk.tasks.power import PowerActionGate, TaskPower
from baremetal_sdk.tasks.power_reader import PowerReader


class NodeTask:
    """The runtime's task. What a driver may use of it is ``baremetal_interfaces.Task``."""

    def __init__(
        self,
        services: TaskDependencies,
        record: NodeRecord,
        lease: Lease | None,
        *,
        on_end: Callable[[NodeTask], None] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._services = services
        self.record = record
        self.lease = lease
        self._on_end = on_end
        self._cancel = threading.Event()
        self._deadlines: list[Deadline] = [] if deadline is None else [deadline]
        self._states: dict[Kind, DriverState] = {}
        self._infos: dict[Kind, Any] = {}
        self._borrowed: dict[type, Any] = {}
        self._calls: list[Observation] = []
        self._ports: tuple[Port, ...] | None = None
        self._driver: Driver | None = None
        self._secrets = NodeSecrets(services.secrets, services.credentials)
        self._handed_over = self._abandoned = False
        self._observed: Observation | None = None
        if lease is not None:
            self._observed = services.telemetry.begin(Work.TASK, {"purpose": lease.purpose}, node=record.uuid)
        self._first_error = record.last_error
        self.power = TaskPower(self)

    def __enter__(self) -> Self:
        if self._observed is not None:
            self._observed.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if self._observed is not None:
            self._observed.leave()
        if not self._handed_over:
            self.release(exc)

    def release(self, error: BaseException | None = None) -> None:
        """Give the lease back and end the task, which *error* ended where it failed."""
        lease, self.lease = self.lease, None
        if lease is not None:
            try:
                self._services.leases.release(lease.fence)
            except BareMetalError as exc:
                self.log.error("the lease could not be given back and will expire: %s", exc)
        if self._observed is not None:
            # Services keep most failures in the node's last_error.
            failed = FAILED if self.record.last_error not in (None, self._first_error) else None
            self._observed.end(outcome_of(error) if error else failed)
        if self._on_end is not None:
            self._on_end(self)

    def abandon(self) -> None:
        """Give the lease back although work goes on: it can write nothing more, and make no further call of a driver."""
        self._abandoned = True
        self.cancel()
        lease, self.lease = self.lease, None
        if lease is not None:
            self._services.leases.release(lease.fence)

    def run_in_background(self, executor: Executor, work: Callable[[NodeTask], Any]) -> Future[None]:
        """Go on with *work* on a worker, which keeps the lease and gives it back at the end.

        Raises ``NoFreeWorker``; the task then still belongs to the caller.
        """

        def run() -> None:
            try:
                work(self)
            except BaseException as exc:
                self.log.exception("the task ended with an error that nobody expected")
                self.release(exc)
                raise
            self.release()

        self._handed_over = True
        try:
            future = executor.submit(run)
        except BaseException:
            self._handed_over = False
            raise
        # Work that is cancelled while it is queued never runs, and its lease would only expire.
        future.add_done_callback(lambda done: self.release() if done.cancelled() else None)
        return future

    @property
    def node(self) -> Node:
        """The node as drivers see it."""
        return build_node(self.record, self._secrets.instance_info(self.record, self.driver))

    @property
    def ports(self) -> tuple[Port, ...]:
        """The node's ports; read when they are first asked for."""
        if self._ports is None:
            rows = self._services.store.ports(Query(where={"node_uuid": self.record.uuid}))
            self._ports = tuple(
                Port(row.uuid, row.address, row.pxe_enabled, row.local_link_connection, row.extra) for row in rows
            )
        return self._ports

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        if self._driver is None:
            self._driver = self._services.drivers.compose(self.record.driver, interface_names(self.record))
        return self._driver

    @property
    def options(self) -> ConductorOptions:
        """The conductor's options."""
        return self._services.options()

    @property
    def power_gate(self) -> PowerActionGate:
        """The conductor's switch for power actions."""
        return self._services.power_gate

    @property
    def clock(self) -> Clock:
        """The conductor's clock."""
        return self._services.clock

    @property
    def deadline(self) -> Deadline:
        """When the running call has to be over."""
        if self._deadlines:
            return self._deadlines[-1]
        return Deadline.after(self.options.bmc_call_timeout, self.clock.monotonic)

    def limited(self, seconds: float) -> Deadline:
        """The deadline of the task, or the one in so many *seconds*, whichever comes first."""
        return self._deadlines[0].within(seconds) if self._deadlines else Deadline.after(seconds, self.clock.monotonic)

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the node. The request is on the record, where ``RequestIdFilter`` puts it."""
        return NodeLog(LOG, {"node": self.record.uuid})

    @property
    def cancelled(self) -> bool:
        """Whether the task was told to stop."""
        return self._cancel.is_set()

    @property
    def is_leaving(self) -> bool:
        """Whether this conductor stops and another one can go on with the node."""
        return self._services.is_leaving(self.record)

    def cancel(self) -> None:
        """Tell the task to stop."""
        self._cancel.set()

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long, to be cancelled; whether it was."""
        return self._cancel.wait(seconds)

    def info(self, kind: Kind | str) -> Any:
        """The typed ``driver_info`` of the interface of that kind."""
        kind = Kind(kind)
        if kind not in self._infos:
            info_type = self.driver[kind].info_type
            if info_type is None:
                raise LookupError(f"the {kind} interface of {self.record.driver} declares no info_type")
            self._infos[kind] = info_type.parse(self.raw_info)
        return self._infos[kind]

    @property
    def raw_info(self) -> Mapping[str, Any]:
        """``driver_info`` with the secrets in it. It goes to drivers and nowhere else."""
        return self._secrets.driver_info(self.record, self.driver)

    def with_instance_secret(self, name: str, value: str | None) -> dict[str, Any]:
        """The changes that give ``instance_info`` a secret that only drivers see, or take it away (None)."""
        return self._secrets.changed_instance_info(self.record, name, value)

    def state(self, kind: Kind | str) -> Any:
        """What the interface of that kind keeps about this node; stored when the driver's method returns."""
        kind = Kind(kind)
        if kind not in self._states:
            state_type = self.driver[kind].state_type
            if state_type is None:
                raise LookupError(f"the {kind} interface of {self.record.driver} declares no state_type")
            self._states[kind] = state_type.load(self.record.driver_state.get(str(kind)))
        return self._states[kind]

    @contextmanager
    def session(self, connector: type[Connector[Any]]) -> Iterator[Any]:
        """Borrow a session; nested borrows of one task share it."""
        if connector in self._borrowed:
            session, turns = self._borrowed[connector]
            with use_slots(current_slots() or turns):  # a thread of the driver's own takes turns as well
                yield session
            return
        info = self.info(kind_with(self.driver, connector))
        if self._calls:
            self._calls[-1].details["bmc"] = str(info.endpoint())
        account = self._account(connector, info)
        with self._services.bmc.borrow_with(account, self.deadline, owner=self) as session:
            self._borrowed[connector] = (session, account.slots)
            try:
                yield session
            finally:
                del self._borrowed[connector]

    @property
    def secret_values(self) -> tuple[str, ...]:
        """What is scrubbed from errors."""
        return self._secrets.values(self.record, self.driver)

    def call(self, kind: Kind | str, method: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Call a driver: the one place where that is done.

        The call has *timeout* seconds (by default ``bmc_call_timeout``). What it raises comes out as an error of the
        contract without a secret in it. After an expired session it is called once more, with a new login.
        """
        return self.call_with(kind, method, *args, arguments=kwargs, timeout=timeout)

    def call_with(
        self, kind: Kind | str, method: str, /, *args: Any, arguments: Mapping[str, Any], timeout: float | None = None
    ) -> Any:
        """Call a driver as :meth:`call` does, with *arguments* that somebody else has named."""
        interface = self.driver[kind]
        function = getattr(interface, method)
        one = self._begun(str(kind), method, interface)
        return self._driven(one, timeout or self.options.bmc_call_timeout, lambda: function(self, *args, **arguments))

    def power_reader(self) -> PowerReader | None:
        """The lean read of the node's power, worked out for many reads; None where the driver has none."""
        power = self.driver.power
        if not isinstance(power, PowerSampling) or power.connector is None:
            return None
        info = self.info(Kind.POWER)
        account, currency = self._account(power.connector, info), self._secrets.currency(self.record.uuid)
        return PowerReader(power, power.sample_target(info), self._services.bmc, account, currency)

    def _account(self, connector: type[Connector[Any]], info: Any) -> BMCCredential:
        return self._services.account(connector, info, self.record.driver, self.raw_info, self.secret_values)

    def sample_power(self) -> Any:
        """Read the power state with as little as the driver can do it with: one request over a kept session, at best."""
        sampler, seen = self.power_reader(), None
        if sampler is not None:
            one = self._begun("power", "sample_power", self.driver.power)
            one.details["bmc"] = str(sampler.endpoint)
            seen = self._driven(one, self.options.bmc_call_timeout, lambda: sampler.read_once(self.deadline))
        return self.call(Kind.POWER, "get_power_state") if seen is None else seen

    def observing(self, work: Work, labels: dict[str, str], **details: Any) -> Observation:
        """Begin a part of this task's work that observers hear of."""
        return self._services.telemetry.begin(work, labels, node=self.record.uuid, **details)

    def _begun(self, kind: str, method: str, interface: Any) -> Observation:
        labels = {"interface": kind, "method": method}
        return self.observing(Work.BMC_CALL, labels, implementation=type(interface).__name__)

    def _driven(self, one: Observation, seconds: float, function: Callable[[], Any]) -> Any:
        self._calls.append(one)
        try:
            with one:
                return self._translated(one, seconds, function)
        finally:
            self._calls.pop()

    def _translated(self, one: Observation, seconds: float, function: Callable[[], Any]) -> Any:
        if self._abandoned:
            self._fence()
        outer = self._deadlines[-1] if self._deadlines else call_deadline()
        self._deadlines.append(outer.within(seconds) if outer else Deadline.after(seconds, self.clock.monotonic))
        try:
            with send_guard(self._check_lease if self.lease is not None else None):
                return retry_on_expired_session(function)
        except Exception as exc:
            if not isinstance(exc, BareMetalError):
                what = "{interface}.{method}".format_map(one.labels)
                self.log.error("%s of %s failed", what, one.details["implementation"], exc_info=traceback_only(exc))
            failure = translate(exc, connector=None, endpoint=None, secrets=self._secrets.known)
        finally:
            self._deadlines.pop()
            self._store_states()
        # Raised out here, so that the exception it was made of, which may hold a secret, is not its context.
        failure.__context__ = None
        raise failure

    def _check_lease(self, sent: bool) -> None:
        """Just before each send to the BMC, and after it: raise ``LeaseLost`` once the lease has expired."""
        if self.lease is not None:
            self._services.leases.check(self.lease.fence, sent=sent)

    def validate(self, *kinds: Kind) -> None:
        """Raise ``InvalidInput`` with everything that is wrong with the node for these kinds, at once."""
        problems: dict[str, None] = {}
        for kind in kinds:
            problems.update(dict.fromkeys(self.problems(kind)))
        if problems:
            raise InvalidInput(". ".join(problems))

    def problems(self, kind: Kind) -> list[str]:
        """What is wrong with the node for the interface of one kind. Raises ``NotSupported`` where it is not offered."""
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
        """Change the node, under the task's lease: it is refused when the lease is no longer held."""
        return self._changed(self._services.store.update_node(self.record.uuid, changes, fence=self._fence()))

    def finish(self, **changes: Any) -> NodeRecord:
        """Change the node for the last time and give the lease back with it, in one write."""
        fence, purpose = self._fence(), self.lease.purpose if self.lease is not None else None
        # Before the write, so that the renewal does not take a lease that was given back for one that was lost.
        self._services.leases.stop_renewing(fence)
        record = self._services.store.update_node(self.record.uuid, changes, fence=fence, release=True)
        self.lease = None
        return self._changed(record, purpose)

    def _fence(self) -> Fence:
        if self.lease is None:
            raise LeaseLost(f"node {self.record.uuid}: a task without a lease writes nothing, and one that had one does no more")
        return self.lease.fence

    def _changed(self, record: NodeRecord, purpose: str | None = None) -> NodeRecord:
        before, self.record = self.record, record
        purpose = self.lease.purpose if self.lease is not None else purpose
        self._services.history.changed(before, record, purpose)
        self._services.change_listeners.notify(record)
        return record

    def delete_node(self) -> None:
        """Delete the node, and with it the lease."""
        assert self.lease is not None
        self._services.store.delete_node(self.record.uuid, fence=self.lease.fence)
        self._services.leases.stop_renewing(self.lease.fence)
        self.lease = None

    def _store_states(self) -> None:
        if not self._states or self.lease is None:
            return
        stored = {**self.record.driver_state, **{str(kind): state.dump() for kind, state in self._states.items()}}
        if stored != self.record.driver_state:
            self.write(driver_state=stored)
