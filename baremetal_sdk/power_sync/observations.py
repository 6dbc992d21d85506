"""What an observation means for a node: what is news, what has failed too often, and what was not asked for."""

from __future__ import annotations

import logging
from typing import Any

from baremetal_interfaces import BareMetalError, PowerState
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.provisioning.hardware_facts import read_health
from baremetal_sdk.provisioning.transitions import POWER_FAILURE
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.tasks.power import COMMAND
from baremetal_sdk.tasks.power_reader import PowerReader
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)
_NOT_SYNCED = frozenset({states.ENROLL, states.VERIFYING, states.ADOPTFAIL, states.CLEANWAIT, states.DEPLOYWAIT})
_HEALTH_EVERY = 10
"""Health is asked for at each so-many-th observation of a node's power, not of all nodes at the same one."""
_BOUNCE = 120.0
"""Seconds within which a machine that leaves a confirmed state has bounced, and was not switched by somebody else."""

LOOKED_AT = (
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
"""What is read of a node before its BMC is asked."""


def may_look(row: Row, clock: Clock) -> bool:
    """Whether nobody works on the node, and its state and maintenance leave its power for us to look at."""
    if row.target_power_state or row.provision_state in _NOT_SYNCED or (row.maintenance and row.fault != POWER_FAILURE):
        return False
    return not is_leased(row, clock)


def is_leased(row: Row, clock: Clock) -> bool:
    """Whether somebody works on the node."""
    return row.lease_holder is not None and row.lease_expires_at is not None and row.lease_expires_at > clock.now()


class NodeObservation:
    """What is remembered of one node between two observations. It is lost with the process, and nothing is wrong then."""

    __slots__ = ("failures", "revision", "sampler", "seen_at", "turn")

    def __init__(self, node: str, now: float) -> None:
        self.sampler: PowerReader | None = None
        """The lean read of its power, as it was worked out when the node had this revision."""
        self.revision = 0
        self.failures = 0
        """Failed observations in a row."""
        self.seen_at = now
        """When its power was observed last, or nobody had begun to look."""
        self.turn = -(hash(node) % _HEALTH_EVERY)
        """Counts observations: health is asked for at some of them."""


class ObservationTracker:
    """What is known of the nodes that are watched, and what an observation changes of it."""

    def __init__(self, clock: Clock, max_retries: int) -> None:
        self._clock = clock
        self.max_retries = max_retries
        """How many times in a row a node's power may not be observed until it is put in maintenance."""
        self._lock = YieldingLock()
        self._nodes: dict[str, NodeObservation] = {}
        self.answered = 0
        """How many observations were answered."""

    def of(self, node: str) -> NodeObservation:
        """What is remembered of a node."""
        found = self._nodes.get(node)
        return found if found is not None else self._nodes.setdefault(node, NodeObservation(node, self._clock.monotonic()))

    def keep(self, nodes: set[str]) -> None:
        """Watch these nodes, and forget all others."""
        now = self._clock.monotonic()
        with self._lock:
            self._nodes = {node: self._nodes.get(node) or NodeObservation(node, now) for node in nodes}

    def written(self, row: Row, after: NodeRecord) -> None:
        """What was seen of a node has been written: how its power is read has not changed with that."""
        watched = self.of(row.uuid)
        if watched.revision == row.revision:
            watched.revision = after.revision

    def unseen(self, seconds: float) -> list[str]:
        """The nodes whose power was not observed for so long."""
        limit = self._clock.monotonic() - seconds
        return [node for node, watched in list(self._nodes.items()) if watched.seen_at < limit]

    def aged(self, row: Row) -> dict[str, Any]:
        """What it changes that nobody has observed the power for too long. When it was observed last stays known."""
        if row.power_state is None or row.target_power_state or row.provision_state in _NOT_SYNCED or is_leased(row, self._clock):
            return {}
        LOG.warning(
            "node %s: power was %r and has not been observed for long; it is not known any more", row.uuid, row.power_state
        )
        return {"power_state": None}

    def seen(self, row: Row, state: PowerState) -> dict[str, Any]:
        """What an answer of the BMC changes."""
        watched = self.of(row.uuid)
        watched.failures, watched.seen_at = 0, self._clock.monotonic()
        known = None if state is PowerState.UNKNOWN else str(state)
        changes: dict[str, Any] = {}
        if row.power_state != known:
            changes |= {"power_state": known, "power_observed_at": self._clock.now(), "power_source": "sync"}
            if row.power_state is not None:
                LOG.warning("node %s: %s", row.uuid, self._story(row, known))
        if row.fault == POWER_FAILURE:
            changes |= {"maintenance": False, "maintenance_reason": None, "fault": None, "last_error": None}
        return changes

    def failed(self, row: Row, error: BareMetalError) -> dict[str, Any]:
        """What it changes that the BMC could not be asked: after too many times in a row, power is not known any more."""
        watched = self.of(row.uuid)
        count = watched.failures = watched.failures + 1
        LOG.warning("node %s: power could not be observed, %d times in a row: %s", row.uuid, count, error)
        if count <= self.max_retries or row.fault == POWER_FAILURE:
            return {}
        reason = f"power could not be observed {count} times in a row: {error}"
        fault = {"maintenance": True, "maintenance_reason": reason, "fault": POWER_FAILURE, "last_error": reason}
        return {"power_state": None, "power_observed_at": self._clock.now(), "power_source": "sync", **fault}

    def health(self, row: Row, tasks: TaskManager) -> dict[str, Any]:
        """What has changed of the machine's health, which is asked for now and then; what cannot be read stays as it was."""
        with self._lock:
            self.answered += 1
        watched = self.of(row.uuid)
        turn = watched.turn = watched.turn + 1
        if turn <= 0 or turn % _HEALTH_EVERY:
            return {}
        try:
            health = read_health(tasks.read_only(row.uuid))
        except BareMetalError as exc:
            LOG.info("node %s: its health could not be read: %s", row.uuid, exc)
            return {}
        return {"health": health} if health != row.health else {}

    def _story(self, row: Row, known: str | None) -> str:
        """What has happened to a machine that is not what it was."""
        went = f"power was {row.power_state!r} and is {known!r} now"
        since = row.power_observed_at
        age = None if since is None else (self._clock.now() - since).total_seconds()
        if row.power_source == COMMAND and age is not None and age < _BOUNCE:
            return f"{went}: it did not last, {age:.0f} s after it was asked for and confirmed"
        return f"{went}, without being asked"
