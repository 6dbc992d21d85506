"""Power sync: seeing now and then what the power of every node really is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Busy, NodeLocked, NotFound, PowerState
from baremetal_sdk import provision
from baremetal_sdk.clock import Clock
from baremetal_sdk.errors import RevisionConflict
from baremetal_sdk.history import History
from baremetal_sdk.pool import Lane
from baremetal_sdk.schedule import Schedule
from baremetal_sdk.services.findings import health_of
from baremetal_sdk.services.transitions import POWER_FAILURE
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.query import NodeQuery, Row
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.task import NodeTask
from baremetal_sdk.tasks import Tasks
from baremetal_sdk.telemetry import Observation, Telemetry, Work, outcome_of

LOG = logging.getLogger(__name__)
_NOT_SYNCED = frozenset({provision.ENROLL, provision.VERIFYING, provision.ADOPTFAIL, provision.CLEANWAIT, provision.DEPLOYWAIT})
_HEALTH_EVERY = 10
"""Health is asked for at each so-many-th observation of a node's power; the first time is when it is managed."""
_UNSCHEDULED = 60.0
"""Seconds between two observations where power sync is off and somebody asks for it all the same."""


class PowerSync:
    """Samples each node's power on a schedule of its own, without a lease.

    It writes only what changed, and only if nobody took or changed the node meanwhile.
    """

    def __init__(
        self,
        store: Store,
        tasks: Tasks,
        lane: Lane,
        clock: Clock,
        history: History,
        *,
        interval: float,
        max_retries: int,
        is_mine: Callable[[Row], bool] = lambda node: True,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._clock = clock
        self._history = history
        self._max_retries = max_retries
        self._is_mine = is_mine
        self._schedule = Schedule(interval if interval > 0 else _UNSCHEDULED, clock)
        self._listed_at: float | None = None
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}
        self._telemetry = telemetry or Telemetry()
        self._failures: dict[str, int] = {}
        self._turns: dict[str, int] = {}

    @property
    def nodes(self) -> int:
        """How many nodes are on the schedule."""
        return len(self._schedule)

    @property
    def lag(self) -> float:
        """Seconds for which the node is overdue that is overdue longest: not looked at yet, or not to the end."""
        with self._lock:
            begun = min(self._running.values(), default=None)
        submitted = 0.0 if begun is None else self._clock.monotonic() - begun
        return max(self._schedule.overdue(), submitted)

    def tick(self) -> None:
        """Submit an observation of every node that is due; the nodes that there are, are listed once in an interval."""
        now = self._clock.monotonic()
        if self._listed_at is None or now - self._listed_at >= self._schedule.interval:
            rows = self._store.nodes(NodeQuery(fields=("uuid", "driver", "conductor_group")))
            self._schedule.keep(row.uuid for row in rows if self._is_mine(row))
            self._failures = {node: count for node, count in self._failures.items() if self._schedule.has(node)}
            with self._lock:
                self._turns = {node: turn for node, turn in self._turns.items() if self._schedule.has(node)}
            self._listed_at = now
        for node in self._schedule.take_due():
            self._submit(node)

    def respace(self, interval: float) -> None:
        """Change the interval between two observations of a node, from the next one on."""
        self._schedule.interval = interval

    def observe(self, node: str) -> BareMetalError | None:
        """Observe one node now, unless somebody works on it or its state says that power is not ours to look at.

        Gives back why it could not be observed.
        """
        try:
            task = self._tasks.look(node)
            if not self._may_look(task.record):
                return None
            seen: PowerState = task.sample_power()
        except NotFound:
            return None
        except BareMetalError as exc:
            self._failed(node, exc)
            return exc
        self._failures.pop(node, None)
        self._write(task, seen)
        return None

    def _may_look(self, record: NodeRecord) -> bool:
        leased = (
            record.lease_holder is not None
            and record.lease_expires_at is not None
            and record.lease_expires_at > self._clock.now()
        )
        sidelined = record.maintenance and record.fault != POWER_FAILURE
        return not (leased or sidelined or record.target_power_state or record.provision_state in _NOT_SYNCED)

    def _submit(self, node: str) -> None:
        with self._lock:
            if node in self._running:
                return
            self._running[node] = self._clock.monotonic()
        one = self._telemetry.begin(Work.POWER_OBSERVATION, node=node)
        try:
            self._lane.submit(self._observe_and_forget, node, one)
        except Busy as exc:
            LOG.info("node %s is observed later: %s", node, exc)
            one.end("busy")
            self._running.pop(node, None)
            self._schedule.hasten(node, exc.retry_after or 1.0)

    def _observe_and_forget(self, node: str, one: Observation) -> None:
        try:
            with one:
                error = self.observe(node)
                one.outcome = one.outcome if error is None else outcome_of(error)
        finally:
            with self._lock:
                self._running.pop(node, None)

    def _write(self, task: NodeTask, seen: PowerState) -> None:
        record = task.record
        known = None if seen is PowerState.UNKNOWN else str(seen)
        changes: dict[str, Any] = {}
        if record.power_state != known:
            changes |= {"power_state": known, "power_observed_at": self._clock.now(), "power_source": "sync"}
        if record.fault == POWER_FAILURE:
            changes |= {"maintenance": False, "maintenance_reason": None, "fault": None, "last_error": None}
        changes |= self._health(task)
        if changes and self._change(record, changes) and record.power_state not in (None, known):
            LOG.warning("node %s: power was '%s' and is '%s' now, without being asked", record.uuid, record.power_state, known)

    def _failed(self, node: str, error: BareMetalError) -> None:
        count = self._failures.get(node, 0) + 1
        self._failures[node] = count
        LOG.warning("node %s: power could not be observed, %d times in a row: %s", node, count, error)
        if count <= self._max_retries:
            return
        try:
            record = self._store.node(node)
        except NotFound:
            return
        if record.fault != POWER_FAILURE:
            reason = f"power could not be observed {count} times in a row: {error}"
            self._change(
                record,
                {
                    "power_state": None,
                    "maintenance": True,
                    "maintenance_reason": reason,
                    "fault": POWER_FAILURE,
                    "last_error": reason,
                },
            )

    def _health(self, task: NodeTask) -> dict[str, Any]:
        """What has changed of the machine's health, which is asked for now and then; what cannot be read stays as it was."""
        node = task.record.uuid
        with self._lock:
            turn = self._turns[node] = self._turns.get(node, 0) + 1
        if turn % _HEALTH_EVERY:
            return {}
        try:
            health = health_of(task)
        except BareMetalError as exc:
            LOG.info("node %s: its health could not be read: %s", node, exc)
            return {}
        return {"health": health} if health != task.record.health else {}

    def _change(self, before: NodeRecord, changes: Mapping[str, Any]) -> bool:
        """Write, unless somebody took the node or changed it since it was read: then the next turn will see."""
        try:
            after = self._store.update_node(before.uuid, changes, fence=None, revision=before.revision)
        except (NodeLocked, RevisionConflict, NotFound):
            return False
        self._history.changed(before, after)
        return True
