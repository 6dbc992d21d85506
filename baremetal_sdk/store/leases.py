"""Who may write to a node: the rules of leases and fences, and the errors that say who holds one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked, Problem
from baremetal_sdk.errors import LeaseLost, RevisionConflict
from baremetal_sdk.store.records.node import Fence, Lease

_MAX_RETRY_AFTER_S = 5.0
"""Seconds: a lease is renewed while its task runs and given back when it ends, so its expiry says little about that."""


def compute_expiry(now: datetime, duration: float) -> datetime:
    """When a lease that begins *now* ends. Raises ``InvalidInput`` for a duration that is none."""
    if not duration > 0:
        raise InvalidInput([Problem("duration", f"it is {duration}", "allowed are more than 0 seconds")])
    return now + timedelta(seconds=duration)


def compute_expiry_cutoff(now: datetime, grace: float) -> datetime:
    """A lease that expired before this is void: who held it can have nothing on its way any more."""
    return now - timedelta(seconds=grace)


def is_held(node: Mapping[str, Any], now: datetime) -> bool:
    """Whether somebody holds a lease on this stored node. One that has expired is held by nobody."""
    return node["lease_holder"] is not None and node["lease_expires_at"] > now


def is_held_under(node: Mapping[str, Any], fence: Fence, now: datetime) -> bool:
    """Whether *fence* is the lease that is held."""
    return is_held(node, now) and node["lease_holder"] == fence.holder and node["epoch"] == fence.epoch


def require_writable(node: Mapping[str, Any], fence: Fence | None, now: datetime) -> None:
    """Raises ``LeaseLost`` or ``NodeLocked`` where this stored node must not be written under *fence*."""
    if fence is None:
        if is_held(node, now):
            raise node_locked_error(node, now)
    elif not is_held_under(node, fence, now):
        raise lease_lost_error(fence)


def require_revision(what: str, uuid: str, stored: int, revision: int | None) -> None:
    """Raises ``RevisionConflict`` where a record has another revision than the one that was read."""
    if revision is not None and stored != revision:
        text = f"{what} {uuid} was changed since it was read: it has revision {stored}, not {revision}; read it again"
        raise RevisionConflict(text, record=what, uuid=uuid, revision=stored, expected=revision)


def require_fence_of(uuid: str, fence: Fence | None) -> None:
    """Raises ``InvalidInput`` for a fence that belongs to another node: a mistake of the caller, not a lost lease."""
    if fence is not None and fence.node_uuid != uuid:
        raise InvalidInput([Problem("fence", f"it is of node {fence.node_uuid}", f"allowed is one of node {uuid}, or none")])


def require_no_fence(fence: Fence | None) -> None:
    """Raises ``InvalidInput`` for a fence where the node is new."""
    if fence is not None:
        raise InvalidInput([Problem("fence", "a node that is new has no lease", "allowed is none")])


def node_locked_error(node: Mapping[str, Any], now: datetime) -> NodeLocked:
    """Somebody holds a lease on this stored node."""
    holder, purpose = node["lease_holder"], node["lease_purpose"]
    since, until = _moment(node["lease_since"]), _moment(node["lease_expires_at"])
    remaining = (node["lease_expires_at"] - now).total_seconds()
    return NodeLocked(
        f"node {node['uuid']} is locked by {holder.rpartition('/')[0] or holder} for {purpose!r} since {since} (until {until})",
        retry_after=min(max(remaining, 1.0), _MAX_RETRY_AFTER_S),
        node=node["uuid"],
        holder=holder,
        purpose=purpose,
        since=since,
    )


def lease_lost_error(fence: Fence) -> LeaseLost:
    """*fence* is of a lease that is no longer held."""
    text = f"{fence.holder} no longer holds its lease {fence.epoch} on node {fence.node_uuid}: nothing was written"
    return LeaseLost(text, node=fence.node_uuid, holder=fence.holder, epoch=fence.epoch)


def build_lease(node: Mapping[str, Any]) -> Lease:
    """The lease of a stored node that has one."""
    return Lease(
        node["uuid"], node["lease_holder"], node["lease_purpose"], node["lease_since"], node["lease_expires_at"], node["epoch"]
    )


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
