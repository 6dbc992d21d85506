"""What a change of one field of a node means for others, and when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidState
from baremetal_sdk.services import allocations
from baremetal_sdk.store.records.node import NodeRecord


def dependent_changes(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes that go with *changes*. Raises ``InvalidState`` and ``InvalidInput``."""
    return {
        **_marked(before, changes, "protected", frozenset({states.ACTIVE, states.RESCUE})),
        **_marked(before, changes, "retired", states.STATES - {states.AVAILABLE}),
        **_of_instance(before, changes),
    }


def _marked(before: NodeRecord, changes: Mapping[str, Any], mark: str, allowed_states: frozenset[str]) -> dict[str, Any]:
    """A mark is set in certain states only, and its reason goes with it."""
    reason = f"{mark}_reason"
    is_set = changes.get(mark, getattr(before, mark))
    if changes.get(reason) and not is_set:
        raise InvalidInput([Problem(reason, f"the node is not {mark}", f"it is given together with {mark}")])
    if mark not in changes:
        return {}
    if not is_set:
        return {reason: None}
    if not getattr(before, mark) and before.provision_state not in allowed_states:
        raise InvalidState(f"{mark}: node {before.uuid} cannot be {mark} while it is {before.provision_state!r}")
    return {}


def _of_instance(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if before.allocation_uuid is not None and changes.get("instance_uuid", before.instance_uuid) is None:
        allocations.refuse_removal(before)
        found["allocation_uuid"] = None
    name = (changes.get("instance_info") or {}).get("display_name")
    if isinstance(name, str) and name and changes.get("instance_name", before.instance_name) is None:
        # Clients of before there were names of instances put them there.
        found["instance_name"] = name
    return found
