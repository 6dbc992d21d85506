"""Comparison of the stored records of a node with the records that a caller wants to store instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.store.records.fields import StoredRecord
from baremetal_sdk.store.records.kinds import RecordKind
from baremetal_sdk.store.refusals import UNIQUE_KEYS

_MANAGED_FIELDS = ("uuid", "created_at", "updated_at", "revision")
"""Fields that the store sets. The comparison ignores them."""


class RecordDiff(NamedTuple):
    """The writes that turn the stored records of a node into the wanted ones. Records are in their stored form."""

    created: list[dict[str, Any]]
    updated: list[dict[str, Any]]
    deleted: list[str]
    """UUIDs of the records to delete."""


def diff_records(
    kind: RecordKind[Any], node_uuid: str, present: Sequence[StoredRecord], wanted: Sequence[StoredRecord], now: datetime
) -> RecordDiff:
    """Return the writes that turn the *present* records of a node into the *wanted* ones.

    Records with the same value in the field that is unique within the node, such as a name, are the same record.
    A record that stays keeps its UUID and creation time. An unchanged record is not in the result.
    Raises ``InvalidInput`` for a record of another node and for a duplicate.
    """
    name = next(key[1] for key in UNIQUE_KEYS[kind.label] if key[0] == "node_uuid")
    present_by_name = {stored[name]: stored for stored in present}
    diff = RecordDiff([], [], [])
    wanted_names: set[Any] = set()
    for stored in wanted:
        if stored["node_uuid"] != node_uuid:
            raise InvalidInput([Problem("node_uuid", "it belongs to another node", f"allowed is {node_uuid}")])
        if stored[name] in wanted_names:
            raise InvalidInput([Problem(name, f"{stored[name]!r} is given twice", "give it once")])
        wanted_names.add(stored[name])
        before = present_by_name.get(stored[name])
        if before is None:
            diff.created.append({**stored, "created_at": now, "updated_at": None, "revision": 0})
        elif any(before[field] != value for field, value in stored.items() if field not in _MANAGED_FIELDS):
            kept = {"uuid": before["uuid"], "created_at": before["created_at"]}
            diff.updated.append({**stored, **kept, "updated_at": now, "revision": before["revision"] + 1})
    diff.deleted.extend(stored["uuid"] for key, stored in present_by_name.items() if key not in wanted_names)
    return diff
