"""Evaluation of power observations: returns the changes to store for a node, counts failures, and logs unexpected changes."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BareMetalError, PowerState
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.logs import get_logger
from baremetal_sdk.provisioning.hardware_facts import read_health
from baremetal_sdk.provisioning.transitions import POWER_FAILURE
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.tasks.power import COMMAND
from baremetal_sdk.tasks.power_reader import PowerReader
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = get_logger(__name__)
_UNSYNCED_STATES = frozenset({states.ENROLL, states.VERIFYING, states.ADOPTFAIL, states.CLEANWAIT, states.DEPLOYWAIT})
_HEALTH_PERIOD = 10
"""Observations between two reads of a node's health. Nodes are spread over the period, so that not all read it at once."""
_BOUNCE_LIMIT_S = 120.0
"""Seconds after a confirmed power command within which another state means that the command's state did not last."""

OBSERVED_FIELDS = (
    "uuid",
    "revision",
    "provision_state",
    "power_state",
    "target_power_state",
    "power_observed_at",
    "power_source",
    "maintenance",
    "maintenance_reason",
    "fault",
    "last_error",
    "health",
    "lease_holder",
    "lease_expires_at",
)
"""Fields of a node that are read before its BMC is asked."""


def may_observe(row: Row, clock: Clock) -> bool:
    """Return whether power sync may observe the node.

    It may not while a task holds the node, while a power action is pending, or in states such as enroll. A node in
    maintenance is observed only if power sync has set the maintenance itself, which its fault shows.
    """
    if row.target_power_state or row.provision_state in _UNSYNCED_STATES or (row.maintenance and row.fault != POWER_FAILURE):
        return False
    return not is_leased(row, clock)


def is_leased(row: Row, clock: Clock) -> bool:
    """Return whether a task holds the node's lease."""
    return row.lease_holder is not None and row.lease_expires_at is not None and row.lease_expires_at > clock.now()


class NodeObservation:
    """Data about one node that power sync keeps in memory between observations, such as the number of failures in a row."""

    __slots__ = ("count", "failures", "observed_at", "reader", "revision")

    def __init__(self, node: str, now: float) -> None:
        self.reader: PowerReader | None = None
        """Cached reader of the node's power, valid for this revision of the node."""
        self.revision = 0
        self.failures = 0
        """Number of failed observations in a row."""
        self.observed_at = now
        """Monotonic time of the last successful observation, or of the first listing of the node."""
        self.count = -(hash(node) % _HEALTH_PERIOD)
        """Number of observations; it starts at a different value for each node, to spread the reads of health."""


class ObservationTracker:
    """The observations of all nodes, and the changes that each observation makes to its node.

    Thread-safe. A requested observation may run beside a scheduled one of the same node. A lost update of its
    :class:`NodeObservation` then changes a count by one, which does no harm.
    """

    def __init__(self, clock: Clock, max_retries: int) -> None:
        self._clock = clock
        self.max_retries = max_retries
        """Number of failed observations in a row that a node may have before it is put in maintenance."""
        self._lock = YieldingLock()
        self._nodes: dict[str, NodeObservation] = {}
        self.answers = 0
        """Number of observations that the BMC answered."""

    def get(self, node: str) -> NodeObservation:
        """Return the data about a node. Create it, with the current time as last observation, if it is missing."""
        observation = self._nodes.get(node)
        if observation is None:
            # setdefault, because two threads may create the entry at the same time.
            observation = self._nodes.setdefault(node, NodeObservation(node, self._clock.monotonic()))
        return observation

    def keep(self, nodes: set[str]) -> None:
        """Track exactly these nodes: drop the data of others, and create data for new nodes."""
        now = self._clock.monotonic()
        with self._lock:
            self._nodes = {node: self._nodes.get(node) or NodeObservation(node, now) for node in nodes}

    def record_written(self, row: Row, after: NodeRecord) -> None:
        """Store the new revision of a node after a write of power sync, so that the cached power reader stays valid."""
        observation = self.get(row.uuid)
        if observation.revision == row.revision:
            observation.revision = after.revision

    def list_stale(self, seconds: float) -> list[str]:
        """Return the nodes without a successful observation in the last *seconds*. A new node counts from its first listing."""
        observed_before = self._clock.monotonic() - seconds
        return [node for node, observation in list(self._nodes.items()) if observation.observed_at < observed_before]

    def expire(self, row: Row) -> dict[str, Any]:
        """Return the changes that mark a stale power state as unknown. ``power_observed_at`` stays unchanged.

        Return no changes if the state is unknown already, if a task holds the node, or in states without power sync.
        """
        if row.power_state is None or row.target_power_state or row.provision_state in _UNSYNCED_STATES:
            return {}
        # The task that holds the node reads and writes its power state itself.
        if is_leased(row, self._clock):
            return {}
        LOG.warning("node %s: power was %r and has not been observed for too long; it is unknown now", row.uuid, row.power_state)
        return {"power_state": None}

    def record_success(self, row: Row, state: PowerState) -> dict[str, Any]:
        """Record a successful observation of *state*, and return the changes to store for the node.

        They are a new power state, which is also logged, and the end of a maintenance that power sync has set.
        """
        observation = self.get(row.uuid)
        observation.failures, observation.observed_at = 0, self._clock.monotonic()
        power_state = None if state is PowerState.UNKNOWN else str(state)
        changes: dict[str, Any] = {}
        if row.power_state != power_state:
            changes |= {"power_state": power_state, "power_observed_at": self._clock.now(), "power_source": "sync"}
            # The first observation of a node, or the first after an unknown state, is no surprise.
            if row.power_state is not None:
                LOG.warning("node %s: %s", row.uuid, self._describe_change(row, power_state))
        if row.fault == POWER_FAILURE:
            # Power sync has set the maintenance itself, so it may end it.
            changes |= {"maintenance": False, "maintenance_reason": None, "fault": None, "last_error": None}
        return changes

    def record_failure(self, row: Row, error: BareMetalError) -> dict[str, Any]:
        """Record and log a failed observation, and return the changes to store for the node.

        After more than ``max_retries`` failures in a row the power state is unknown and the node goes into maintenance.
        """
        observation = self.get(row.uuid)
        count = observation.failures = observation.failures + 1
        LOG.warning("node %s: power could not be observed, %d times in a row: %s", row.uuid, count, error)
        # A node that has this fault is in maintenance already, and its reason names the first error.
        if count <= self.max_retries or row.fault == POWER_FAILURE:
            return {}
        reason = f"power could not be observed {count} times in a row: {error}"
        fault = {"maintenance": True, "maintenance_reason": reason, "fault": POWER_FAILURE, "last_error": reason}
        return {"power_state": None, "power_observed_at": self._clock.now(), "power_source": "sync", **fault}

    def check_health(self, row: Row, tasks: TaskManager) -> dict[str, Any]:
        """Count an answer of the BMC, and return the change of the stored health, if any.

        Every tenth observation of a node reads its health. If it cannot be read, this is logged and the stored value stays.
        """
        # The lock is needed: += on an attribute is not atomic, and many workers count.
        with self._lock:
            self.answers += 1
        observation = self.get(row.uuid)
        count = observation.count = observation.count + 1
        if count <= 0 or count % _HEALTH_PERIOD:
            return {}
        try:
            health = read_health(tasks.read_only(row.uuid))
        except BareMetalError as exc:
            LOG.info("node %s: health could not be read: %s", row.uuid, exc)
            return {}
        return {"health": health} if health != row.health else {}

    def _describe_change(self, row: Row, power_state: str | None) -> str:
        """Return the log text for a change of the observed power state to *power_state*.

        If a power command reached the previous state less than 120 s ago, the text says that this state did not last.
        Otherwise it says that no task requested the change.
        """
        change = f"power was {row.power_state!r} and is {power_state!r} now"
        # power_observed_at is the time of the confirming read, because sync writes it only when the state changes.
        since = row.power_observed_at
        age = None if since is None else (self._clock.now() - since).total_seconds()
        if row.power_source == COMMAND and age is not None and age < _BOUNCE_LIMIT_S:
            return f"{change}: it did not last, {age:.0f} s after it was requested and confirmed"
        return f"{change}; no task requested this change"
