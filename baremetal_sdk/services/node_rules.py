"""Rules for clients' changes of a node: which changes are rejected, and which other fields change with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidState
from baremetal_sdk.services import allocations
from baremetal_sdk.store.records.node import NodeRecord


def dependent_changes(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return additional changes that a client's *changes* of the node *before* require.

    Raises ``InvalidState`` or ``InvalidInput`` if a rule forbids *changes*.
    """
    return {
        **_mark_changes(before, changes, "protected", frozenset({states.ACTIVE, states.RESCUE})),
        **_mark_changes(before, changes, "retired", states.STATES - {states.AVAILABLE}),
        **_instance_changes(before, changes),
    }


def _mark_changes(before: NodeRecord, changes: Mapping[str, Any], mark: str, allowed_states: frozenset[str]) -> dict[str, Any]:
    """Return additional changes for the mark ``protected`` or ``retired``: its removal also removes its reason.

    Raises ``InvalidState`` if the mark is set in a state outside of *allowed_states*, and ``InvalidInput`` for a reason
    without the mark.
    """
    reason = f"{mark}_reason"
    is_set = changes.get(mark, getattr(before, mark))
    if changes.get(reason) and not is_set:
        raise InvalidInput([Problem(reason, f"the node is not {mark}", f"set {mark} as well")])
    if mark not in changes:
        return {}
    if not is_set:
        return {reason: None}
    if not getattr(before, mark) and before.provision_state not in allowed_states:
        raise InvalidState(
            f"{mark}: node {before.uuid} cannot be {mark} while it is {before.provision_state!r}; change its state first"
        )
    return {}


def _instance_changes(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return additional changes for changes of the instance: the removed link to its allocation, and ``instance_name``.

    Raises ``InvalidState`` if the allocation must not be deleted now.
    """
    further: dict[str, Any] = {}
    if before.allocation_uuid is not None and changes.get("instance_uuid", before.instance_uuid) is None:
        allocations.refuse_removal(before)
        further["allocation_uuid"] = None
    name = (changes.get("instance_info") or {}).get("display_name")
    if isinstance(name, str) and name and changes.get("instance_name", before.instance_name) is None:
        # Clients that predate the field "instance_name" store the name of the instance there.
        further["instance_name"] = name
    return further
