"""Records of the SQL store, in one table for each kind of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, literal, select, update

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.diff_records import RecordDiff, diff_records
from baremetal_sdk.store.leases import require_fence_of, require_revision, require_writable
from baremetal_sdk.store.records.fields import LEASE_FIELDS, RecordFields, require_uuid
from baremetal_sdk.store.records.kinds import RECORD_KINDS, RecordKind
from baremetal_sdk.store.records.node import Fence
from baremetal_sdk.store.records.query import Query, Row, Scope
from baremetal_sdk.store.refusals import in_use_error, marker_not_found_error, node_not_found_error
from baremetal_sdk.store.sealed_columns import SealedColumns
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.listing import Condition, Listing, PagePosition, equals_any, owning_node_conditions, visible_records
from baremetal_sdk.store.sql.rows import RowReader
from baremetal_sdk.store.sql.schema import StoreSchema
from baremetal_sdk.store.sql.unique_conflicts import raise_duplicates

R = TypeVar("R")
_LEASE_COLUMNS = ("uuid", "epoch", *LEASE_FIELDS)


class SQLRecords:
    """Base class of the SQL store: the methods of the ``Store`` protocol for records of all kinds."""

    def __init__(self, database: Database, schema: StoreSchema, clock: Clock, sealed: SealedColumns) -> None:
        self._database = database
        self._schema = schema
        self._sealed = sealed
        self._clock = clock
        columns = schema.nodes.c
        lease = select(*(columns[name] for name in _LEASE_COLUMNS)).where(columns.uuid == bindparam("ident"))
        # The shared lock keeps the node and its lease as they are until the record has been written.
        self._node_lease = lease.with_for_update(read=True)
        self._inserts = {kind: insert(table).inline() for kind, table in schema.of_kind.items()}
        self._readers: dict[str, RowReader[Any]] = {}
        self._selects: dict[tuple[type, str], Select[Any]] = {}

    @property
    def database(self) -> Database:
        """The database of the store. Its ``telemetry`` accepts observers of transactions."""
        return self._database

    @retry_on_conflict
    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record and return it. Raises as :meth:`Store.create_record`."""
        kind, table = RECORD_KINDS[type(record)], self._schema.of_kind[type(record)]
        stored = self._sealed.seal(kind.fields, kind.fields.encode_record(record))
        require_uuid("uuid", stored["uuid"])
        stored.update(updated_at=None, revision=0)
        with self._database.writing() as connection, raise_duplicates(kind.label, table, stored):
            stored["created_at"] = now = self._clock.now()
            self._require_node(connection, kind, stored, fence, now)
            self._database.compiled.run(connection, self._inserts[type(record)], stored)
        created: R = self._read_stored(kind.fields, stored)
        return created

    @retry_on_conflict
    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """Return the record of the class *kind* with the UUID, name or address *ident*. Raises ``NotFound``."""
        record_kind = RECORD_KINDS[kind]
        field, value = record_kind.parse_ident(ident)
        statement, visible = self._select_by(kind, field), self._visibility_conditions(record_kind, scope)
        with self._database.reading() as connection:
            if visible:
                # The conditions of a scope make a new statement each time, which must not fill the statement cache.
                row: Sequence[Any] | None = connection.execute(statement.where(*visible), {"ident": value}).first()
            else:
                row = self._database.compiled.first(connection, statement, {"ident": value})
        if row is None:
            raise record_kind.not_found_error(ident)
        found: R = self._reader(record_kind.fields).read_record(row)
        return found

    @retry_on_conflict
    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of records of the class *kind* that *query* selects."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        visible = self._visibility_conditions(record_kind, scope)
        field = _single_filter(query)
        if field is not None and not visible:
            # Clients and conductors often read all records of a node, so this query has a cached statement.
            return self._records_with(kind, field, query.where[field])
        conditions = visible + owning_node_conditions(table, self._schema.nodes, query)
        return self._page(Listing(table, record_kind.fields, query, conditions), record_kind.fields, query, visible)

    @retry_on_conflict
    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* to a record of the class *kind* and return it. Raises as :meth:`Store.update_record`."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        stored = self._sealed.seal(record_kind.fields, record_kind.fields.encode_changes(changes))
        with self._database.writing() as connection:
            now = self._clock.now()
            before = self._lock_writable(connection, record_kind, uuid, fence, now)
            require_revision(record_kind.label, uuid, before["revision"], revision)
            # Only allocations can move to a node; the new node must exist until the commit.
            if stored.get("node_uuid") is not None:
                self._require_node(connection, record_kind, stored, fence, now)
            stored |= {"updated_at": now, "revision": before["revision"] + 1}
            after = {**before, **stored}
            with raise_duplicates(record_kind.label, table, after):
                connection.execute(update(table).where(table.c.uuid == uuid).values(stored))
        written: R = self._read_stored(record_kind.fields, after)
        return written

    @retry_on_conflict
    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record of the class *kind*. Raises ``InvalidInput`` if other records refer to it."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        with self._database.writing() as connection:
            before = self._lock_writable(connection, record_kind, uuid, fence, self._clock.now())
            require_revision(record_kind.label, uuid, before["revision"], revision)
            if record_kind.used_by is not None and self._is_used(connection, *record_kind.used_by, uuid):
                raise in_use_error(record_kind.label, uuid, record_kind.used_by[0])
            connection.execute(delete(table).where(table.c.uuid == uuid))

    @retry_on_conflict
    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Replace all records of the class *kind* that belong to the node by *records*."""
        record_kind = RECORD_KINDS[kind]
        require_fence_of(node_uuid, fence)
        wanted = [record_kind.fields.encode_record(record) for record in records]
        with self._database.writing() as connection:
            now = self._clock.now()
            self._require_node(connection, record_kind, {"node_uuid": node_uuid}, fence, now)
            rows = self._database.compiled.rows(connection, self._select_by(kind, "node_uuid"), {"ident": node_uuid})
            # Compared without seals: the same secret has another seal each time.
            present = [
                self._sealed.unseal(record_kind.fields, dict(zip(record_kind.fields.names, row, strict=True))) for row in rows
            ]
            self._apply_diff(connection, kind, diff_records(record_kind, node_uuid, present, wanted, now))

    def _apply_diff(self, connection: Connection, kind: type[Any], diff: RecordDiff) -> None:
        table = self._schema.of_kind[kind]
        if diff.deleted:
            connection.execute(delete(table).where(table.c.uuid.in_(diff.deleted)))
        fields = RECORD_KINDS[kind].fields
        for stored in diff.updated:
            connection.execute(update(table).where(table.c.uuid == stored["uuid"]).values(self._sealed.seal(fields, stored)))
        created = [self._sealed.seal(fields, stored) for stored in diff.created]
        self._database.compiled.run_each(connection, self._inserts[kind], created)

    def _records_with(self, kind: type[Any], field: str, value: str) -> Sequence[Row]:
        fields = RECORD_KINDS[kind].fields
        [stored] = fields.encode_filters({field: value})[field]
        with self._database.reading() as connection:
            found = self._database.compiled.rows(connection, self._select_by(kind, field), {"ident": stored})
        reader = self._reader(fields)
        return [reader.read_row(row) for row in found]

    def _reader(self, fields: RecordFields[R]) -> RowReader[R]:
        """Return the reader of rows with all *fields*, in their order."""
        reader = self._readers.get(fields.label)
        if reader is None:
            reader = self._readers[fields.label] = RowReader(fields, fields.names, self._sealed)
        return reader

    def _read_stored(self, fields: RecordFields[R], stored: Mapping[str, Any]) -> R:
        return self._reader(fields).read_record([stored[name] for name in fields.names])

    def _select_by(self, kind: type[Any], field: str) -> Select[Any]:
        """Return a SELECT of the records of *kind* with the value *ident* in *field*.

        It is the same object each time, as ``CompiledStatements`` needs it.
        """
        statement = self._selects.get((kind, field))
        if statement is None:
            table = self._schema.of_kind[kind]
            columns = [table.c[name] for name in RECORD_KINDS[kind].fields.names]
            statement = select(*columns).where(table.c[field] == bindparam("ident")).order_by(table.c.id)
            self._selects[kind, field] = statement
        return statement

    @retry_on_conflict
    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of the class *kind*, except records of deleted nodes, and return their number."""
        record_kind = RECORD_KINDS[kind]
        record_kind.require_unfenced()
        encoded = (self._sealed.seal(record_kind.fields, record_kind.fields.encode_record(record)) for record in records)
        new = [{**stored, "updated_at": None, "revision": 0} for stored in encoded]
        nodes = self._schema.nodes
        with self._database.writing() as connection:
            existing = select(nodes.c.uuid).where(nodes.c.uuid.in_({stored["node_uuid"] for stored in new}))
            # Locked, so that no other transaction deletes such a node before the records refer to it.
            uuids = set(connection.execute(existing.with_for_update(read=True)).scalars())
            storable = [stored for stored in new if stored["node_uuid"] in uuids]
            self._database.compiled.run_each(connection, self._inserts[kind], storable)
        return len(storable)

    @retry_on_conflict
    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all records of the class *kind* that match *where*, and return their number."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        record_kind.require_unfenced()
        conditions = [equals_any(table.c[name], values) for name, values in record_kind.fields.encode_filters(where).items()]
        if created_before is not None:
            conditions.append(table.c.created_at < created_before)
        with self._database.writing() as connection:
            return connection.execute(delete(table).where(*conditions)).rowcount

    def _visibility_conditions(self, kind: RecordKind[Any], scope: Scope) -> list[Condition]:
        return visible_records(kind, self._schema.of_kind[kind.fields.record_type], self._schema.nodes, scope)

    def _require_node(
        self, connection: Connection, kind: RecordKind[Any], stored: Mapping[str, Any], fence: Fence | None, now: datetime
    ) -> None:
        """Raise an error unless the node of a record exists and, for fenced kinds, may be written under *fence*.

        A lock on the node's row keeps this true until the transaction ends.
        """
        if not kind.belongs_to_node or stored["node_uuid"] is None:
            return
        node = self._read_lease(connection, self._node_lease, stored["node_uuid"])
        if node is None:
            raise node_not_found_error(stored["node_uuid"])
        if kind.fenced:
            require_fence_of(stored["node_uuid"], fence)
            require_writable(node, fence, now)

    def _lock_writable(
        self, connection: Connection, kind: RecordKind[Any], uuid: str, fence: Fence | None, now: datetime
    ) -> dict[str, Any]:
        """Lock the row of a record until the transaction ends, and return the stored record.

        Raises ``NotFound``, and ``LeaseLost`` or ``NodeLocked`` if the record may not be written under *fence*.
        """
        table = self._schema.of_kind[kind.fields.record_type]
        columns = [table.c[name] for name in kind.fields.names]
        row = connection.execute(select(*columns).where(table.c.uuid == uuid).with_for_update()).first()
        if row is None:
            raise kind.not_found_error(uuid)
        stored = row._asdict()
        if kind.fenced:
            self._require_node(connection, kind, stored, fence, now)
        return stored

    def _is_used(self, connection: Connection, by: str, column: str, uuid: str) -> bool:
        table = self._schema.metadata.tables[self._schema.prefix + by]
        return bool(connection.execute(select(exists(select(literal(1)).where(table.c[column] == uuid)))).scalar())

    def _read_lease(self, connection: Connection, statement: Select[Any], ident: str) -> dict[str, Any] | None:
        return self._database.compiled.mapping(connection, statement, {"ident": ident})

    def _page(
        self, listing: Listing[Any], fields: RecordFields[Any], query: Query, visible: Sequence[Condition]
    ) -> Sequence[Row]:
        with self._database.reading() as connection:
            # Two statements without a transaction: a marker that is deleted in between changes nothing, as its position is known.
            after = None
            if query.marker is not None:
                position = connection.execute(listing.select_position(query.marker, visible)).first()
                if position is None:
                    raise marker_not_found_error(fields.label, query.marker)
                after = PagePosition(*position)
            rows = connection.execute(listing.select_page(after)).all()
        reader = RowReader(fields, listing.names, self._sealed)
        return [reader.read_row(row) for row in rows]


def _single_filter(query: Query) -> str | None:
    """Return the field if *query* only filters one field by a string. Otherwise return None."""
    if len(query.where) != 1 or query != Query(where=query.where):
        return None
    [(field, value)] = query.where.items()
    return field if isinstance(value, str) else None
