"""Recovery of nodes whose task died, and of waits that took too long. Each node ends in a state that is true."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable

from baremetal_interfaces import BareMetalError, NodeLocked
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.backlog import Backlog
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.provisioning import rescue, steps, transitions
from baremetal_sdk.provisioning.resuming import StepResumer
from baremetal_sdk.provisioning.state_handlers import StateHandlers
from baremetal_sdk.provisioning.wait_timeouts import wait_timeout_reason
from baremetal_sdk.store.leases import compute_expiry_cutoff
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)
_FIELDS = (
    "uuid", "driver", "conductor_group", "provision_state", "target_power_state", "provision_updated_at", "lease_holder",
    "lease_expires_at",
)  # fmt: skip
_RUN_FIELDS = ("run_id", "run_steps", "run_index", "run_attempt")


class Recovery:
    """Finds nodes whose state claims work that no task does. It relies on observations of the machine, never on intentions.

    The sweeps only read and queue; the recovery of each node runs on *lane*, under the node's lease. *is_mine* says whether
    this conductor is responsible for a node.
    """

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        lane: Lane,
        resumer: StepResumer,
        handlers: StateHandlers,
        options: Callable[[], ConductorOptions],
        clock: Clock,
        *,
        is_mine: Callable[[Row], bool],
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._backlog = Backlog(lane)
        self._resumer = resumer
        self._handlers = handlers
        self._clock = clock
        self._is_mine = is_mine
        self._options = options

    def sweep(self) -> None:
        """Queue the recovery of each node in a working state without a task, and of each wait that has timed out.

        Schedule the polling of all other waiting runs that this conductor does not poll yet.
        """
        self._backlog.start_workers()
        for row in self._list_unleased(states.WORKING):
            self._backlog.add(row.uuid, functools.partial(self._recover, self._end_dead_work))
        for row in self._list_unleased(states.WAITING, *_RUN_FIELDS):
            if wait_timeout_reason(row, self._options(), self._clock.now()) is not None:
                self._backlog.add(row.uuid, functools.partial(self._recover, self._end_wait))
                continue
            waiting = steps.current_wait(row)
            if waiting is not None:
                self._resumer.schedule_if_new(row.uuid, waiting)

    def sweep_power(self) -> None:
        """Queue an observation of the power of each node whose power action died."""
        for state in ("power on", "power off"):
            query = NodeQuery(where={"target_power_state": state}, fields=_FIELDS)
            for row in self._select_unleased(self._store.nodes(query)):
                self._backlog.add(row.uuid, functools.partial(self._recover, self._end_power_action))

    def _list_unleased(self, provision_states: Iterable[str], *fields: str) -> list[Row]:
        query = NodeQuery(where={"provision_state": tuple(sorted(provision_states))}, fields=(*_FIELDS, *fields))
        return self._select_unleased(self._store.nodes(query))

    def _select_unleased(self, rows: Iterable[Row]) -> list[Row]:
        # A request of the dead conductor may still be on its way to the BMC for as long as a call takes after the lease
        # expired. The grace covers that time, as it does when the lease is acquired below.
        cutoff = compute_expiry_cutoff(self._clock.now(), self._tasks.grace)
        unleased = (row for row in rows if row.lease_holder is None or row.lease_expires_at <= cutoff)
        return [row for row in unleased if self._is_mine(row)]

    def _recover(self, end: Callable[[NodeTask], object], node: str) -> None:
        """Call *end* with a task on the node. Do nothing if another task holds the node by then."""
        try:
            task = self._tasks.acquire(node, purpose="recovery")
        except NodeLocked:
            return
        with task:
            try:
                end(task)
            except BareMetalError as exc:
                LOG.error("recovery of node %s failed: %s", node, exc)

    def _end_dead_work(self, task: NodeTask) -> None:
        """Continue the run of a dead conductor if that is safe, else fail the node with its true power."""
        # The sweep read the state without the lease, so the state may have changed since.
        state = task.record.provision_state
        if state not in states.WORKING:
            return
        if steps.can_run_again(task.record):
            task.log.warning("continuing the run of a conductor that stopped between two steps or in a resumable one")
            self._handlers.run_again(task)
            return
        self._observe_power(task)
        reason = "the conductor stopped while it worked on the node; the work may be half done"
        transitions.fail(task, reason, target_power_state=None, **rescue.password_removal_changes(task))

    def _end_wait(self, task: NodeTask) -> None:
        """Fail a node whose wait has timed out."""
        # Checked again under the lease: the event may have arrived while this was queued.
        reason = wait_timeout_reason(task.record, task.options, self._clock.now())
        if reason is not None:
            self._handlers.clean_up(task)
            self._observe_power(task)
            transitions.fail(task, reason, **rescue.password_removal_changes(task))

    def _end_power_action(self, task: NodeTask) -> None:
        """Observe the power after a dead power action, and store an error if the target was not reached."""
        target = task.record.target_power_state
        if target is None:
            return
        self._observe_power(task)
        power_state = task.record.power_state
        error = None
        if power_state != target:
            error = f"the conductor stopped while it changed power to '{target}'; power is '{power_state}'"
        task.finish(target_power_state=None, last_error=error)

    def _observe_power(self, task: NodeTask) -> None:
        """Store the power state of the machine, or unknown if it cannot be read."""
        try:
            task.power.get()
        except BareMetalError as exc:
            task.log.warning("the power state could not be read: %s", exc)
            task.write(power_state=None)


def expire_all_leases(store: Store) -> None:
    """Expire the leases of all holders. The caller guarantees that every holder is dead."""
    rows = store.nodes(NodeQuery(fields=("lease_holder",)))
    for holder in {row.lease_holder for row in rows if row.lease_holder is not None}:
        store.expire_leases(holder)
