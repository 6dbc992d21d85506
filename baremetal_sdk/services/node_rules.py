"""Changes of a node that follow from a client's changes of other fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.store.records.node import NodeRecord


def dependent_changes(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return additional changes that a client's *changes* of the node *before* require.

    The removal of a mark removes its reason, and the removal of the instance removes the link to the allocation.
    """
    further: dict[str, Any] = {}
    for mark in ("protected", "retired"):
        if mark in changes and not changes[mark]:
            further[f"{mark}_reason"] = None
    if before.allocation_uuid is not None and changes.get("instance_uuid", before.instance_uuid) is None:
        further["allocation_uuid"] = None
    name = (changes.get("instance_info") or {}).get("display_name")
    if isinstance(name, str) and name and changes.get("instance_name", before.instance_name) is None:
        # Clients that predate the field "instance_name" store the name of the instance there.
        further["instance_name"] = name
    return further
