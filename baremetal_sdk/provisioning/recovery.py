"""Nodes whose task died, and waits that took too long: each ends in a state that is true."""

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
_RUN = ("run_id", "run_steps", "run_index", "run_attempt")


class Recovery:
    """Looks for work without a worker. It goes by what is observed, never by what was meant."""

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        lane: Lane,
        resuming: StepResumer,
        works: StateHandlers,
        options: Callable[[], ConductorOptions],
        clock: Clock,
        *,
        is_mine: Callable[[Row], bool],
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._backlog = Backlog(lane)
        self._resuming = resuming
        self._works = works
        self._clock = clock
        self._is_mine = is_mine
        self._options = options

    def sweep(self) -> None:
        """Deal with every node of ours that nobody works on and whose state says that somebody does, or that waits.

        A run that nobody polls any more is polled from here on; one that has waited too long ends.
        """
        self._backlog.start_workers()
        for row in self._stuck(states.WORKING):
            self._backlog.add(row.uuid, self._ending(self._end_dead_work))
        for row in self._stuck(states.WAITING, *_RUN):
            if wait_timeout_reason(row, self._options(), self._clock.now()) is not None:
                self._backlog.add(row.uuid, self._ending(self._end_wait))
            elif (waiting := steps.current_wait(row)) is not None:
                self._resuming.schedule_if_new(row.uuid, waiting)

    def sweep_power(self) -> None:
        """Observe the power of nodes whose power action died."""
        for state in ("power on", "power off"):
            for row in self._free(self._store.nodes(NodeQuery(where={"target_power_state": state}, fields=_FIELDS))):
                self._backlog.add(row.uuid, self._ending(self._end_power_action))

    def _stuck(self, wanted_states: Iterable[str], *fields: str) -> list[Row]:
        wanted = NodeQuery(where={"provision_state": tuple(sorted(wanted_states))}, fields=(*_FIELDS, *fields))
        return self._free(self._store.nodes(wanted))

    def _free(self, rows: Iterable[Row]) -> list[Row]:
        void = compute_expiry_cutoff(self._clock.now(), self._tasks.grace)
        free = (row for row in rows if row.lease_holder is None or row.lease_expires_at <= void)
        return [row for row in free if self._is_mine(row)]

    def _ending(self, end: Callable[[NodeTask], object]) -> Callable[[str], None]:
        return functools.partial(self._recover, end)

    def _recover(self, end: Callable[[NodeTask], object], node: str) -> None:
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
        state = task.record.provision_state
        if state not in states.WORKING:
            return
        if steps.can_run_again(task.record):
            task.log.warning("the conductor stopped between two steps, or in one that may be run again: going on")
            self._works.run_again(task)
            return
        self._observe(task)
        reason = "the conductor stopped in the middle of it; what was begun may be half done"
        transitions.fail(task, reason, target_power_state=None, **rescue.password_removal_changes(task))

    def _end_wait(self, task: NodeTask) -> None:
        # Asked again: what it waits for may have come while this was queued.
        reason = wait_timeout_reason(task.record, task.options, self._clock.now())
        if reason is not None:
            self._works.undo(task)
            self._observe(task)
            transitions.fail(task, reason, **rescue.password_removal_changes(task))

    def _end_power_action(self, task: NodeTask) -> None:
        if task.record.target_power_state is None:
            return
        wanted = task.record.target_power_state
        self._observe(task)
        reached = task.record.power_state == wanted
        error = (
            None
            if reached
            else f"the conductor stopped while it changed power to '{wanted}'; power is '{task.record.power_state}'"
        )
        task.finish(target_power_state=None, last_error=error)

    def _observe(self, task: NodeTask) -> None:
        """See what power is; where that cannot be seen it is unknown."""
        try:
            task.power.get()
        except BareMetalError as exc:
            task.log.warning("power cannot be observed: %s", exc)
            task.write(power_state=None)


def expire_all_leases(store: Store) -> None:
    """Let the leases of every holder expire: the caller vouches that all of them are dead."""
    rows = store.nodes(NodeQuery(fields=("lease_holder",)))
    for holder in {row.lease_holder for row in rows if row.lease_holder is not None}:
        store.expire_leases(holder)
