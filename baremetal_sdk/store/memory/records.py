"""Records of the store in memory, in one table for each kind of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.diff_records import diff_records
from baremetal_sdk.store.leases import require_fence_of, require_revision, require_writable
from baremetal_sdk.store.memory.outbox import NotifyingLock
from baremetal_sdk.store.memory.table import MemoryTable
from baremetal_sdk.store.records.fields import NODE_FIELDS, PORT_FIELDS, StoredRecord, require_uuid
from baremetal_sdk.store.records.kinds import RECORD_KINDS, RecordKind, Visibility
from baremetal_sdk.store.records.node import Fence
from baremetal_sdk.store.records.query import Query, Row, Scope
from baremetal_sdk.store.refusals import in_use_error, node_not_found_error

R = TypeVar("R")


class MemoryRecords:
    """Base class of the store in memory: the methods of the ``Store`` protocol for records of all kinds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = NotifyingLock()
        self._nodes = MemoryTable(NODE_FIELDS)
        self._ports = MemoryTable(PORT_FIELDS)
        self._tables: dict[type, MemoryTable[Any]] = {record: MemoryTable(kind.fields) for record, kind in RECORD_KINDS.items()}

    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record and return it. Raises as :meth:`Store.create_record`."""
        kind = RECORD_KINDS[type(record)]
        require_uuid("uuid", record.uuid)  # type: ignore[attr-defined]
        stored = {**kind.fields.encode_record(record), "created_at": self._clock.now(), "updated_at": None, "revision": 0}
        with self._lock:
            self._require_node(kind, stored, fence)
            self._tables[type(record)].insert(stored)
        created: R = kind.fields.decode_record(stored)
        return created

    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """Return the record of the class *kind* with the UUID, name or address *ident*. Raises ``NotFound``."""
        record_kind = RECORD_KINDS[kind]
        with self._lock:
            stored = self._tables[kind].find(*record_kind.parse_ident(ident))
            if stored is None or not self._is_record_visible(record_kind, stored, scope):
                raise record_kind.not_found_error(ident)
        found: R = record_kind.fields.decode_record(stored)
        return found

    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of records of the class *kind* that *query* selects."""
        record_kind = RECORD_KINDS[kind]
        with self._lock:
            return self._tables[kind].list_page(
                query, lambda record: self._is_record_visible(record_kind, record, scope), self._matches_node(query)
            )

    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* to a record of the class *kind* and return it. Raises as :meth:`Store.update_record`."""
        record_kind = RECORD_KINDS[kind]
        stored_changes = record_kind.fields.encode_changes(changes)
        with self._lock:
            before = self._writable_record(record_kind, uuid, fence)
            require_revision(record_kind.label, uuid, before["revision"], revision)
            after = self._apply_changes(before, stored_changes)
            self._require_node(record_kind, after, fence)
            self._tables[kind].replace(after)
        written: R = record_kind.fields.decode_record(after)
        return written

    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record of the class *kind*. Raises ``InvalidInput`` if other records refer to it."""
        record_kind = RECORD_KINDS[kind]
        with self._lock:
            before = self._writable_record(record_kind, uuid, fence)
            require_revision(record_kind.label, uuid, before["revision"], revision)
            if record_kind.used_by is not None and self._is_used(*record_kind.used_by, uuid):
                raise in_use_error(record_kind.label, uuid, record_kind.used_by[0])
            self._tables[kind].delete(uuid)

    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Replace all records of the class *kind* that belong to the node by *records*."""
        record_kind, table = RECORD_KINDS[kind], self._tables[kind]
        require_fence_of(node_uuid, fence)
        wanted = [record_kind.fields.encode_record(record) for record in records]
        with self._lock:
            self._require_node(record_kind, {"node_uuid": node_uuid}, fence)
            diff = diff_records(record_kind, node_uuid, table.find_all("node_uuid", node_uuid), wanted, self._clock.now())
            for uuid in diff.deleted:
                table.delete(uuid)
            for stored in diff.updated:
                table.replace(stored)
            for stored in diff.created:
                table.insert(stored)

    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of the class *kind*, except records of deleted nodes, and return their number."""
        record_kind, table = RECORD_KINDS[kind], self._tables[kind]
        record_kind.require_unfenced()
        new = [{**record_kind.fields.encode_record(record), "updated_at": None, "revision": 0} for record in records]
        with self._lock:
            storable = [stored for stored in new if self._nodes.get(stored["node_uuid"]) is not None]
            for stored in storable:
                table.insert(stored)
        return len(storable)

    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all records of the class *kind* that match *where*, and return their number."""
        record_kind, table = RECORD_KINDS[kind], self._tables[kind]
        record_kind.require_unfenced()
        with self._lock:
            found = table.list_page(
                Query(where=where, fields=("uuid",)),
                lambda record: True,
                lambda record: created_before is None or record["created_at"] < created_before,
            )
            for row in found:
                table.delete(row["uuid"])
        return len(found)

    def _delete_records_of(self, node_uuid: str) -> None:
        for record, kind in RECORD_KINDS.items():
            if kind.belongs_to_node:
                for stored in self._tables[record].find_all("node_uuid", node_uuid):
                    self._tables[record].delete(stored["uuid"])

    def _apply_changes(self, stored: StoredRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
        return {**stored, **changes, "updated_at": self._clock.now(), "revision": stored["revision"] + 1}

    def _existing_node(self, uuid: str) -> StoredRecord:
        node = self._nodes.get(uuid)
        if node is None:
            raise node_not_found_error(uuid)
        return node

    def _require_node(self, kind: RecordKind[Any], stored: Mapping[str, Any], fence: Fence | None) -> None:
        """Raise an error unless the node of a record exists and, for fenced kinds, may be written under *fence*."""
        if not kind.belongs_to_node or stored["node_uuid"] is None:
            return
        node = self._existing_node(stored["node_uuid"])
        if kind.fenced:
            require_fence_of(stored["node_uuid"], fence)
            require_writable(node, fence, self._clock.now())

    def _writable_record(self, kind: RecordKind[Any], uuid: str, fence: Fence | None) -> StoredRecord:
        stored = self._tables[kind.fields.record_type].get(uuid)
        if stored is None:
            raise kind.not_found_error(uuid)
        if kind.fenced:
            self._require_node(kind, stored, fence)
        return stored

    def _is_used(self, by: str, column: str, uuid: str) -> bool:
        tables: dict[str, MemoryTable[Any]] = {"nodes": self._nodes, "ports": self._ports}
        return bool(tables[by].find_all(column, uuid))

    def _matches_node(self, query: Query) -> Any:
        wanted = NODE_FIELDS.encode_filters(query.node_where)

        def matches(record: StoredRecord) -> bool:
            if not wanted:
                return True
            node = self._existing_node(record["node_uuid"])
            return all(node[name] in values for name, values in wanted.items())

        return matches

    def _is_record_visible(self, kind: RecordKind[Any], stored: StoredRecord, scope: Scope) -> bool:
        if scope.project is None or kind.visibility is Visibility.ALL:
            return True
        if kind.visibility is Visibility.NODE:
            return is_visible(self._existing_node(stored["node_uuid"]), scope)
        public = kind.visibility is Visibility.OWNER_OR_PUBLIC and stored["public"]
        return bool(public or stored["owner"] == scope.project)


def is_visible(node: StoredRecord, scope: Scope) -> bool:
    """Return whether a caller with *scope* may see a stored node: its project owns or leases the node."""
    return scope.project is None or scope.project in (node["owner"], node["lessee"])
