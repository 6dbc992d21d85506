"""Large values of nodes, such as config drives and inspection data. They are stored in parts, apart from their node.

The node, or another record, has a reference in place of the value. So a read of the node, and a listing, loads no large value.
The parts are not in one transaction: a value is complete before a record refers to it, and exists until no record does.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Conflict
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import NodeValuePartRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

CONFIG_DRIVE = "configdrive"
INSPECTION = "inspection"
MAX_INLINE_CHARS = 64 * 1024
"""Maximum number of characters of a config drive that is stored in the node itself."""
MAX_INLINE_INSPECTION_CHARS = 1024 * 1024
"""Maximum number of characters of inspection data that is stored in the record of the node's inventory."""
PART_CHARS = 256 * 1024
"""Number of characters of JSON text in one part. Sealed and with its statement, it is below the limits of all databases."""
_PARTS_PER_WRITE = 16
"""Number of parts in one transaction, so that a large value blocks other writers of SQLite for moments only."""
_STORED_APART = "stored_value"
_REFERENCE = re.compile(r"stored-value:([a-z]+):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,6})")


def is_reference(value: Any) -> bool:
    """Return whether *value* stands for a large value that is stored in parts."""
    return isinstance(value, str) and len(value) < 128 and _REFERENCE.fullmatch(value) is not None


def find_reference(instance_info: Mapping[str, Any]) -> str | None:
    """Return the reference to the config drive in the ``instance_info`` of a node, or None."""
    value = instance_info.get(CONFIG_DRIVE)
    return value if is_reference(value) else None


class LargeValues:
    """Large JSON values of the nodes in *store*. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, node: str, name: str, value: Any) -> str:
        """Store *value*, which is JSON, for the node with the UUID *node*, and return the reference to it."""
        return self.save_text(node, name, _encode(value))

    def save_text(self, node: str, name: str, text: str) -> str:
        """Store a value of the node by its JSON *text*, and return the reference to it."""
        ident = str(uuid.uuid4())
        count = -(-len(text) // PART_CHARS)
        for first in range(0, count, _PARTS_PER_WRITE):
            numbers = range(first, min(first + _PARTS_PER_WRITE, count))
            parts = [
                NodeValuePartRecord(
                    str(uuid.uuid4()), node, name, ident, number, text[number * PART_CHARS : (number + 1) * PART_CHARS]
                )
                for number in numbers
            ]
            self._store.append_records(NodeValuePartRecord, parts)
        return f"stored-value:{name}:{ident}:{count}"

    def load(self, node: str, reference: str) -> Any:
        """Return the value of a *reference* of the node. Raises ``Conflict`` if the value is no longer stored."""
        where, count = _filter(node, reference)
        rows = self._store.records(NodeValuePartRecord, Query(where=where, fields=("number", "content"), sort_key="number"))
        if len(rows) != count:
            raise _missing_error()
        try:
            return json.loads("".join(row.content for row in rows))
        except ValueError:
            # The key of the database is lost, so the parts have masks.
            raise _missing_error() from None

    def require(self, node: str, reference: str) -> None:
        """Raise ``Conflict`` unless the value of *reference* is stored. It does not read the value."""
        where, count = _filter(node, reference)
        if len(self._store.records(NodeValuePartRecord, Query(where=where, fields=("number",)))) != count:
            raise _missing_error()

    def delete(self, node: str, reference: str) -> None:
        """Delete the value of *reference*."""
        self._store.purge_records(NodeValuePartRecord, _filter(node, reference)[0])

    def delete_others(self, node: str, name: str, kept: str | None) -> None:
        """Delete all values *name* of the node except that of the reference *kept*."""
        query = Query(where={"node_uuid": node, "name": name, "number": 0}, fields=("value_uuid",))
        kept_ident = None if kept is None else _filter(node, kept)[0]["value_uuid"]
        for row in self._store.records(NodeValuePartRecord, query):
            if row.value_uuid != kept_ident:
                self._store.purge_records(NodeValuePartRecord, {"node_uuid": node, "value_uuid": row.value_uuid})


def delete_replaced(store: Store, before: NodeRecord, info: Mapping[str, Any]) -> None:
    """Delete the config drive to which the record *before* of a node refers, unless the new ``instance_info`` does as well."""
    reference = find_reference(before.instance_info)
    if reference is not None and reference != find_reference(info):
        LargeValues(store).delete(before.uuid, reference)


def store_inspection(
    store: Store, node: str, inventory: Mapping[str, Any], plugin_data: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any], str | None]:
    """Return the inventory and the data of plugins as the record of a node's inventory has them, and a reference or None.

    If both together are large, they are stored apart, and the record has the reference in their place.
    """
    text = _encode({"inventory": inventory, "plugin_data": plugin_data})
    if len(text) <= MAX_INLINE_INSPECTION_CHARS:
        return inventory, plugin_data, None
    reference = LargeValues(store).save_text(node, INSPECTION, text)
    return {}, {_STORED_APART: reference}, reference


def read_inspection(store: Store, record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inventory and the data of plugins of the record of a node's inventory, also if they are stored apart."""
    reference = record["plugin_data"].get(_STORED_APART)
    # An agent cannot send such a record itself, because its inventory has network interfaces.
    if record["inventory"] or not is_reference(reference):
        return record["inventory"], record["plugin_data"]
    found = LargeValues(store).load(record["node_uuid"], reference)
    return found["inventory"], found["plugin_data"]


def _encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _filter(node: str, reference: str) -> tuple[dict[str, Any], int]:
    """Return the filter that selects the parts of a value, and their number."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise _missing_error()
    return {"node_uuid": node, "value_uuid": found[2]}, int(found[3])


def _missing_error() -> Conflict:
    return Conflict("a large value of the node, such as its config drive, is no longer stored; send the request with it again")
