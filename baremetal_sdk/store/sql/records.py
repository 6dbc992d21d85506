"""The records of all kinds in an SQL database: one set of methods, one set of rules."""

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
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.listing import Condition, Listing, PagePosition, equals_any, owning_node_conditions, visible_records
from baremetal_sdk.store.sql.rows import RowReader
from baremetal_sdk.store.sql.schema import StoreSchema
from baremetal_sdk.store.sql.unique_conflicts import raise_duplicates

R = TypeVar("R")
_LEASE = ("uuid", "epoch", *LEASE_FIELDS)


class SQLRecords:
    """The part of the ``Store`` protocol that is the same for records of every kind."""

    def __init__(self, database: Database, schema: StoreSchema, clock: Clock) -> None:
        self._database = database
        self._schema = schema
        self._clock = clock
        columns = schema.nodes.c
        leased = select(*(columns[name] for name in _LEASE)).where(columns.uuid == bindparam("ident"))
        self._node_lease = leased.with_for_update(read=True)
        self._insertion = {kind: insert(table).inline() for kind, table in schema.of_kind.items()}
        self._found: dict[tuple[type, str], Select[Any]] = {}

    @property
    def database(self) -> Database:
        """The database: who is to hear of its use is added to its ``telemetry``."""
        return self._database

    @retry_on_conflict
    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record."""
        kind, table = RECORD_KINDS[type(record)], self._schema.of_kind[type(record)]
        stored = kind.fields.encode_record(record)
        require_uuid("uuid", stored["uuid"])
        stored.update(updated_at=None, revision=0)
        with self._database.writing() as connection, raise_duplicates(kind.label, table, stored):
            stored["created_at"] = now = self._clock.now()
            self._require_node(connection, kind, stored, fence, now)
            self._database.compiled.run(connection, self._insertion[type(record)], stored)
        created: R = kind.fields.decode_record(stored)
        return created

    @retry_on_conflict
    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """The record of this kind that clients call *ident*."""
        record_kind = RECORD_KINDS[kind]
        field, value = record_kind.key(ident)
        statement, visible = self._by(kind, field), self._visible(record_kind, scope)
        with self._database.reading() as connection:
            if visible:
                row: Sequence[Any] | None = connection.execute(statement.where(*visible), {"ident": value}).first()
            else:
                row = self._database.compiled.first(connection, statement, {"ident": value})
        if row is None:
            raise record_kind.not_found_error(ident)
        found: R = RowReader(record_kind.fields, record_kind.fields.names).read_record(row)
        return found

    @retry_on_conflict
    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of records of this kind."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        visible = self._visible(record_kind, scope)
        if not visible and (field := _only_condition(query)) is not None:
            return self._all_with(kind, field, query.where[field])
        conditions = visible + owning_node_conditions(table, self._schema.nodes, query)
        return self._page(Listing(table, record_kind.fields, query, conditions), record_kind.fields, query, visible)

    @retry_on_conflict
    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* and give back the record as it is then."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        stored = record_kind.fields.encode_changes(changes)
        with self._database.writing() as connection:
            now = self._clock.now()
            before = self._writable(connection, record_kind, uuid, fence, now)
            require_revision(record_kind.label, uuid, before["revision"], revision)
            if stored.get("node_uuid") is not None:
                self._require_node(connection, record_kind, stored, fence, now)
            stored |= {"updated_at": now, "revision": before["revision"] + 1}
            after = {**before, **stored}
            with raise_duplicates(record_kind.label, table, after):
                connection.execute(update(table).where(table.c.uuid == uuid).values(stored))
        written: R = record_kind.fields.decode_record(after)
        return written

    @retry_on_conflict
    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record that nothing names any more."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        with self._database.writing() as connection:
            before = self._writable(connection, record_kind, uuid, fence, self._clock.now())
            require_revision(record_kind.label, uuid, before["revision"], revision)
            if record_kind.used_by is not None and self._is_used(connection, *record_kind.used_by, uuid):
                raise in_use_error(record_kind.label, uuid, record_kind.used_by[0])
            connection.execute(delete(table).where(table.c.uuid == uuid))

    @retry_on_conflict
    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Let a node have exactly these records of this kind."""
        record_kind = RECORD_KINDS[kind]
        require_fence_of(node_uuid, fence)
        wanted = [record_kind.fields.encode_record(record) for record in records]
        with self._database.writing() as connection:
            now = self._clock.now()
            self._require_node(connection, record_kind, {"node_uuid": node_uuid}, fence, now)
            found = self._database.compiled.rows(connection, self._by(kind, "node_uuid"), {"ident": node_uuid})
            rows = [dict(zip(record_kind.fields.names, row, strict=True)) for row in found]
            self._replace(connection, kind, diff_records(record_kind, node_uuid, rows, wanted, now))

    def _replace(self, connection: Connection, kind: type[Any], change: RecordDiff) -> None:
        table = self._schema.of_kind[kind]
        if change.gone:
            connection.execute(delete(table).where(table.c.uuid.in_(change.gone)))
        for stored in change.changed:
            connection.execute(update(table).where(table.c.uuid == stored["uuid"]).values(stored))
        self._database.compiled.run_each(connection, self._insertion[kind], change.new)

    def _all_with(self, kind: type[Any], field: str, value: str) -> Sequence[Row]:
        fields = RECORD_KINDS[kind].fields
        [stored] = fields.encode_filters({field: value})[field]
        with self._database.reading() as connection:
            found = self._database.compiled.rows(connection, self._by(kind, field), {"ident": stored})
        reader = RowReader(fields, fields.names)
        return [reader.read_row(row) for row in found]

    def _by(self, kind: type[Any], field: str) -> Select[Any]:
        """What finds records by a field; the same statement each time."""
        statement = self._found.get((kind, field))
        if statement is None:
            table = self._schema.of_kind[kind]
            columns = [table.c[name] for name in RECORD_KINDS[kind].fields.names]
            statement = self._found[kind, field] = (
                select(*columns).where(table.c[field] == bindparam("ident")).order_by(table.c.id)
            )
        return statement

    @retry_on_conflict
    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of this kind in one transaction, except those whose node is gone."""
        record_kind = RECORD_KINDS[kind]
        record_kind.require_unfenced()
        new = [{**record_kind.fields.encode_record(record), "updated_at": None, "revision": 0} for record in records]
        nodes = self._schema.nodes
        with self._database.writing() as connection:
            wanted = select(nodes.c.uuid).where(nodes.c.uuid.in_({stored["node_uuid"] for stored in new}))
            there = set(connection.execute(wanted.with_for_update(read=True)).scalars())
            kept = [stored for stored in new if stored["node_uuid"] in there]
            self._database.compiled.run_each(connection, self._insertion[kind], kept)
        return len(kept)

    @retry_on_conflict
    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all records that match; give back how many there were."""
        record_kind, table = RECORD_KINDS[kind], self._schema.of_kind[kind]
        record_kind.require_unfenced()
        conditions = [equals_any(table.c[name], values) for name, values in record_kind.fields.encode_filters(where).items()]
        if created_before is not None:
            conditions.append(table.c.created_at < created_before)
        with self._database.writing() as connection:
            return connection.execute(delete(table).where(*conditions)).rowcount

    def _visible(self, kind: RecordKind[Any], scope: Scope) -> list[Condition]:
        return visible_records(kind, self._schema.of_kind[kind.fields.record_type], self._schema.nodes, scope)

    def _require_node(
        self, connection: Connection, kind: RecordKind[Any], stored: Mapping[str, Any], fence: Fence | None, now: datetime
    ) -> None:
        """Raise unless the node of a record is there and, where that matters, may be written to; it stays so."""
        if not kind.belongs_to_node or stored["node_uuid"] is None:
            return
        node = self._lease(connection, self._node_lease, stored["node_uuid"])
        if node is None:
            raise node_not_found_error(stored["node_uuid"])
        if kind.fenced:
            require_fence_of(stored["node_uuid"], fence)
            require_writable(node, fence, now)

    def _writable(
        self, connection: Connection, kind: RecordKind[Any], uuid: str, fence: Fence | None, now: datetime
    ) -> dict[str, Any]:
        """A record that may be written, as it is stored; it stays so until the transaction ends."""
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

    def _lease(self, connection: Connection, statement: Select[Any], ident: str) -> dict[str, Any] | None:
        return self._database.compiled.mapping(connection, statement, {"ident": ident})

    def _page(
        self, listing: Listing[Any], fields: RecordFields[Any], query: Query, visible: Sequence[Condition]
    ) -> Sequence[Row]:
        with self._database.reading() as connection:
            after = None
            if query.marker is not None:
                found = connection.execute(listing.position(query.marker, visible)).first()
                if found is None:
                    raise marker_not_found_error(fields.label, query.marker)
                after = PagePosition(*found)
            rows = connection.execute(listing.page(after)).all()
        reader = RowReader(fields, listing.names)
        return [reader.read_row(row) for row in rows]


def _only_condition(query: Query) -> str | None:
    """The field that a query filters for a text, where that is all that it asks for."""
    if len(query.where) != 1 or query != Query(where=query.where):
        return None
    [(field, value)] = query.where.items()
    return field if isinstance(value, str) else None
