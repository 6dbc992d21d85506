"""Recovery of nodes whose conductor died during work on them, and of nodes whose wait has timed out.

Each recovered node is in a state that matches its machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from baremetal_interfaces import BareMetalError, NodeLocked
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.backlog import Backlog
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.logs import get_logger
from baremetal_sdk.provisioning import rescue, steps, transitions
from baremetal_sdk.provisioning.resuming import StepResumer
from baremetal_sdk.provisioning.state_handlers import StateHandlers
from baremetal_sdk.provisioning.wait_timeouts import wait_timeout_reason
from baremetal_sdk.store.leases import compute_expiry_cutoff
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = get_logger(__name__)
_FIELDS = (
    "uuid", "driver", "conductor_group", "provision_state", "target_power_state", "provision_updated_at", "lease_holder",
    "lease_expires_at",
)  # fmt: skip
_RUN_FIELDS = ("run_id", "run_steps", "run_index", "run_attempt")


class Recovery:
    """Finder and repairer of nodes in a working or wait state on which no task works any more.

    The sweeps only read and queue. The recovery of each node runs on *lane*, under the node's lease. It reads the power of the
    machine and does not rely on the last command. *is_mine* returns whether this conductor is responsible for a node.
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
        """Queue the recovery of each node in a working state without a live lease, and of each node whose wait has timed out.

        For all other waiting nodes, schedule the polling of their runs if this conductor does not poll them yet. Consider
        only nodes for which this conductor is responsible.
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
        """Queue a power read for each node with a target power state but without a live lease: its power action was lost."""
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
        """Acquire the node and call *end* with the task. Do nothing if another task holds the node. Log errors of *end*."""
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
        """Continue the run of a dead conductor if that is safe. Otherwise clean up, read the power and enter the failed state.

        Do nothing if the node is no longer in a working state.
        """
        failure = task.take_unwritten_failure()
        # The sweep read the state without the lease, so the state may have changed since.
        state = task.record.provision_state
        if state not in states.WORKING:
            return
        if steps.can_run_again(task.record):
            task.log.warning("continuing the run of a conductor that stopped between two steps or in a resumable one")
            self._handlers.run_again(task)
            return
        self._handlers.clean_up(task)
        self._observe_power(task)
        reason = failure or "the conductor stopped while it worked on the node; the work may be half done"
        transitions.fail(task, reason, target_power_state=None, **rescue.password_removal_changes(task))

    def _end_wait(self, task: NodeTask) -> None:
        """Clean up, read the power and enter the failed state if the node's wait has still timed out."""
        # Checked again under the lease: the event may have arrived while this was queued.
        reason = wait_timeout_reason(task.record, task.options, self._clock.now())
        if reason is not None:
            self._handlers.clean_up(task)
            self._observe_power(task)
            transitions.fail(task, reason, **rescue.password_removal_changes(task))

    def _end_power_action(self, task: NodeTask) -> None:
        """Read and store the power after a power action whose conductor died, and remove the target.

        Set ``last_error`` if the machine did not reach the target.
        """
        failure = task.take_unwritten_failure()
        target = task.record.target_power_state
        if target is None:
            return
        self._observe_power(task)
        power_state = task.record.power_state
        error = None
        if power_state != target:
            error = failure or f"the conductor stopped while it changed power to '{target}'; power is '{power_state}'"
        task.finish(target_power_state=None, last_error=error)

    def _observe_power(self, task: NodeTask) -> None:
        """Read and store the power state of the machine. Store it as unknown (None) if the read fails."""
        try:
            task.power.get()
        except BareMetalError as exc:
            task.log.warning("the power state could not be read: %s", exc)
            task.write(power_state=None)


def expire_all_leases(store: Store) -> None:
    """End the leases of all holders in the store. The caller must guarantee that no conductor runs."""
    rows = store.nodes(NodeQuery(fields=("lease_holder",)))
    for holder in {row.lease_holder for row in rows if row.lease_holder is not None}:
        store.expire_leases(holder)
