"""Which records of a node are new, which have changed and which are gone, where all of them were read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.store.records.fields import StoredRecord
from baremetal_sdk.store.records.kinds import RecordKind
from baremetal_sdk.store.refusals import UNIQUE_KEYS

_COUNTED = ("uuid", "created_at", "updated_at", "revision")


class RecordDiff(NamedTuple):
    """What makes the records of a node those that it is to have."""

    new: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    gone: list[str]
    """Their UUIDs."""


def diff_records(
    kind: RecordKind[Any], node_uuid: str, present: Sequence[StoredRecord], wanted: Sequence[StoredRecord], now: datetime
) -> RecordDiff:
    """Compare what is stored of a node with what is wanted, by what is unique within the node.

    A record that stays keeps its UUID and the time of its creation; one that did not change is not written.
    """
    name = next(key[1] for key in UNIQUE_KEYS[kind.label] if key[0] == "node_uuid")
    there = {stored[name]: stored for stored in present}
    change = RecordDiff([], [], [])
    named: set[Any] = set()
    for stored in wanted:
        if stored["node_uuid"] != node_uuid:
            raise InvalidInput([Problem("node_uuid", "it is that of another node", f"allowed is {node_uuid}")])
        if stored[name] in named:
            raise InvalidInput([Problem(name, f"{stored[name]!r} is given twice", "give it once")])
        named.add(stored[name])
        before = there.get(stored[name])
        if before is None:
            change.new.append({**stored, "created_at": now, "updated_at": None, "revision": 0})
        elif any(before[field] != value for field, value in stored.items() if field not in _COUNTED):
            kept = {"uuid": before["uuid"], "created_at": before["created_at"]}
            change.changed.append({**stored, **kept, "updated_at": now, "revision": before["revision"] + 1})
    change.gone.extend(stored["uuid"] for key, stored in there.items() if key not in named)
    return change
