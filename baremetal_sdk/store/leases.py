"""Rules of leases and fences, and their errors. All stores share them.

A lease is the exclusive right of a holder to write to a node until an expiry time. A fence identifies one lease by
its holder and epoch. The epoch increases with each lease of the node, so a holder that lost its lease cannot write under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked, Problem
from baremetal_sdk.errors import LeaseLost, RevisionConflict
from baremetal_sdk.store.records.node import Fence, Lease

_MAX_RETRY_AFTER_S = 5.0
"""Maximum of ``retry_after`` in seconds.

A task renews its lease while it runs and releases it at its end, so the expiry does not tell when the node becomes free.
"""


def compute_expiry(now: datetime, duration: float) -> datetime:
    """Return the expiry time of a lease that begins *now* and lasts *duration* seconds. Raises ``InvalidInput`` for 0 or less."""
    if not duration > 0:
        raise InvalidInput([Problem("duration", f"it is {duration}", "allowed are more than 0 seconds")])
    return now + timedelta(seconds=duration)


def compute_expiry_cutoff(now: datetime, grace: float) -> datetime:
    """Return the time *grace* seconds before *now*. Only leases that expired before it are free for another holder.

    After *grace* seconds no command that the last holder sent can still arrive at the BMC.
    """
    return now - timedelta(seconds=grace)


def is_held(node: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a stored node has a lease that has not expired at the time *now*."""
    # At the expiry itself the lease is over, as in the conditions of the SQL statements.
    return node["lease_holder"] is not None and node["lease_expires_at"] > now


def is_held_under(node: Mapping[str, Any], fence: Fence, now: datetime) -> bool:
    """Return whether a stored node is held under the lease of *fence*, with the same holder and epoch, at the time *now*."""
    # The epoch distinguishes two leases of one holder: a task must not write under the lease of a later task.
    return is_held(node, now) and node["lease_holder"] == fence.holder and node["epoch"] == fence.epoch


def require_writable(node: Mapping[str, Any], fence: Fence | None, now: datetime) -> None:
    """Raise an error if a stored node must not be written at the time *now*.

    With *fence*, raises ``LeaseLost`` unless its lease is held. With None, raises ``NodeLocked`` if any lease is held.
    """
    if fence is None:
        if is_held(node, now):
            raise node_locked_error(node, now)
    elif not is_held_under(node, fence, now):
        raise lease_lost_error(fence)


def require_revision(label: str, uuid: str, stored: int, revision: int | None) -> None:
    """Raise ``RevisionConflict`` if a record has not the *revision* that the caller read. Do nothing for None.

    *stored* is the present revision. *label* and *uuid* identify the record in the error.
    """
    if revision is not None and stored != revision:
        text = f"{label} {uuid} was changed since it was read: it has revision {stored}, not {revision}; read it again"
        raise RevisionConflict(text, record=label, uuid=uuid, revision=stored, expected=revision)


def require_fence_of(uuid: str, fence: Fence | None) -> None:
    """Raise ``InvalidInput`` if *fence* belongs to another node than *uuid*: an error of the caller, not a lost lease."""
    if fence is not None and fence.node_uuid != uuid:
        raise InvalidInput(
            [Problem("fence", f"it belongs to node {fence.node_uuid}", f"allowed is a fence of node {uuid}, or none")]
        )


def require_no_fence(fence: Fence | None) -> None:
    """Raise ``InvalidInput`` unless *fence* is None, because a new node has no lease."""
    if fence is not None:
        raise InvalidInput([Problem("fence", "a new node has no lease", "allowed is none")])


def node_locked_error(node: Mapping[str, Any], now: datetime) -> NodeLocked:
    """Return the error for a stored node that another task holds, with holder, purpose, start and ``retry_after``."""
    holder, purpose = node["lease_holder"], node["lease_purpose"]
    since, until = _format_time(node["lease_since"]), _format_time(node["lease_expires_at"])
    # A caller waits one second or more, so that it does not poll a lease that is about to expire.
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
    """Return the error for a rejected write under the lease of *fence*, which is no longer held."""
    text = f"{fence.holder} no longer holds its lease {fence.epoch} on node {fence.node_uuid}: nothing was written"
    return LeaseLost(text, node=fence.node_uuid, holder=fence.holder, epoch=fence.epoch)


def build_lease(node: Mapping[str, Any]) -> Lease:
    """Return the lease in the fields of a stored node. The node must have one."""
    return Lease(
        node["uuid"], node["lease_holder"], node["lease_purpose"], node["lease_since"], node["lease_expires_at"], node["epoch"]
    )


def _format_time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
