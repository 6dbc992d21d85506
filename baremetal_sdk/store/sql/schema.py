"""Table definitions of the SQL store, derived from the fields of the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    true,
)
from sqlalchemy.types import TypeEngine

from baremetal_interfaces import Problem
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.records.fields import CONDUCTOR_FIELDS, NODE_FIELDS, PORT_FIELDS, Field, FieldKind, RecordFields
from baremetal_sdk.store.records.kinds import RECORD_KINDS, RecordKind
from baremetal_sdk.store.refusals import UNIQUE_KEYS
from baremetal_sdk.store.sql.column_types import UTCDateTime, blob, counter, string, text
from baremetal_sdk.store.sql.unique_conflicts import constraint_name

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")
"""Revisions of the migrations, oldest first. Repeated here, so that a current database opens without Alembic.

The first digit is the generation. Migrations within a generation only add columns, tables and indexes. So a release also
works on tables that a later release of the generation has upgraded. A new generation may remove what it no longer needs.
"""

LAST_UNSEALED = "0010"
"""The last revision at which rows can contain secrets in clear. A store without a key remains there.

A new migration of tables has to come before the mark of sealed rows, so the mark has a new revision behind it each time.
"""

_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,15})?")
DEFAULT_PREFIX = "bm_"
"""Beginning of the names of all tables of a store whose host application gives no other."""

_INDEXED_NODE_COLUMNS = (
    "provision_state",
    "driver",
    "owner",
    "lessee",
    "resource_class",
    "shard",
    "chassis_uuid",
    "parent_node",
    "conductor_group",
    "lease_holder",
    "lease_expires_at",
    "target_power_state",
)
"""Columns of nodes with an index, by which listings filter or sort. Unique columns have one through their constraint."""
_PARTIAL_INDEX_COLUMNS = ("fault", "instance_name", "maintenance", "retired")
"""Columns that few nodes have set. On databases with partial indexes, their index contains only these nodes."""
_PRESENCE_INDEX_COLUMNS = ("instance_uuid", "shard")
"""Columns for which an index lists all nodes with a value, in the order of creation, for filters like ``associated``."""
_COUNTER_COLUMNS = frozenset({"epoch", "revision"})


EVENT_COLUMNS: tuple[tuple[str, TypeEngine[Any], bool], ...] = (
    ("batch", counter(), True),
    ("kind", string(16), False),
    ("node_uuid", string(36), False),
    ("owner", string(255), True),
    ("lessee", string(255), True),
    ("content", text(), False),
    ("created_at", UTCDateTime(), False),
)
"""Columns of the events table: name, type, and whether NULL is allowed."""
PROGRESS_COLUMNS = ("last_batch", "gone_batch", "gone_number")


def is_usable(revision: str) -> bool:
    """Return whether this release can use tables at *revision* without an upgrade.

    True for its own revision, and for a later one of the same generation.
    """
    own = REVISIONS[-1]
    return revision == own or (revision.isdecimal() and len(revision) == len(own) and own < revision and revision[0] == own[0])


class StoreSchema:
    """All tables of an SQL store, as SQLAlchemy objects.

    Their names begin with *prefix*, so they can share a database with tables of a host application. Raises
    ``ConfigurationError`` for an invalid prefix.
    """

    def __init__(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(prefix):
            allowed = "allowed are a letter and up to 15 letters, digits and underscores"
            raise ConfigurationError(str(Problem("table_prefix", f"it is {prefix!r}", allowed)))
        self.prefix = prefix
        self.version_table = f"{prefix}alembic_version"
        self.metadata = MetaData()
        self.nodes = self._create_table("nodes", NODE_FIELDS, _INDEXED_NODE_COLUMNS)
        for name in _PARTIAL_INDEX_COLUMNS:
            Index(f"{self.nodes.name}_{name}_idx", self.nodes.c[name], self.nodes.c.id, **_partial(is_set(self.nodes.c[name])))
        for name in _PRESENCE_INDEX_COLUMNS:
            index = Index(f"{self.nodes.name}_with_{name}_idx", self.nodes.c.id, **_partial(is_set(self.nodes.c[name])))
            index.ddl_if(callable_=_has_partial_indexes)
        self.ports = self._create_table("ports", PORT_FIELDS, ("node_uuid", "portgroup_uuid"))
        self._add_node_foreign_key(self.ports)
        self.conductors = self._create_table("conductors", CONDUCTOR_FIELDS, ())
        self.conductors.append_constraint(UniqueConstraint("hostname", name=f"{prefix}conductors_hostname_key"))

        self.events, self.events_progress = self._create_outbox_tables()
        self.of_kind: Mapping[type, Table] = {record: self._create_kind_table(kind) for record, kind in RECORD_KINDS.items()}

    def _create_kind_table(self, kind: RecordKind[Any]) -> Table:
        table = self._create_table(kind.table, kind.fields, kind.listed)
        if kind.belongs_to_node:
            self._add_node_foreign_key(table)
        return table

    def _create_outbox_tables(self) -> tuple[Table, Table]:
        """Return the tables of events and of the outbox's progress. The progress table has one row."""
        name = f"{self.prefix}events"
        columns = [Column(column, kind, nullable=optional) for column, kind, optional in EVENT_COLUMNS]
        events = Table(
            name, self.metadata, Column("id", counter(), primary_key=True, autoincrement=True), *columns,
            # AUTOINCREMENT: the ids of deleted events are not assigned again.
            sqlite_autoincrement=True,
        )  # fmt: skip
        Index(f"{name}_batch_idx", events.c.batch, events.c.id)
        counters = [Column(column, counter(), nullable=False) for column in PROGRESS_COLUMNS]
        progress = Table(
            f"{name}_progress", self.metadata, Column("id", counter(), primary_key=True, autoincrement=False), *counters
        )
        return events, progress

    def _add_node_foreign_key(self, table: Table) -> None:
        name = f"{table.name}_node_uuid_fkey"
        table.append_constraint(ForeignKeyConstraint(["node_uuid"], [self.nodes.c.uuid], name=name, ondelete="CASCADE"))

    def _create_table(self, name: str, fields: RecordFields[Any], listed: Iterable[str]) -> Table:
        name = self.prefix + name
        columns = [Column(field.name, _column_type(field), nullable=field.optional) for field in fields.by_name.values()]
        table = Table(name, self.metadata, Column("id", counter(), primary_key=True, autoincrement=True), *columns)
        for key in UNIQUE_KEYS.get(fields.label, ()):
            table.append_constraint(UniqueConstraint(*key, name=constraint_name(name, key)))
        for column in listed:
            # With the id, because a page can begin within a run of equal values.
            Index(f"{name}_{column}_idx", table.c[column], table.c.id)
        return table


def is_set(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return an SQL condition that *column* is not NULL or, for a Boolean column, that it is true."""
    return column.is_(true()) if isinstance(column.type, Boolean) else column.is_not(None)


def _partial(condition: ColumnElement[bool]) -> dict[str, Any]:
    return {"sqlite_where": condition, "postgresql_where": condition}


def _has_partial_indexes(*_: Any, dialect: Dialect, **__: Any) -> bool:
    """Return whether the database supports partial indexes."""
    return dialect.name in ("sqlite", "postgresql")


def _column_type(field: Field) -> TypeEngine[Any]:
    if field.name in _COUNTER_COLUMNS:
        return counter()
    if field.kind is FieldKind.STRING:
        assert field.length is not None
        return string(field.length)
    return _TYPES[field.kind]


_TYPES: dict[FieldKind, TypeEngine[Any]] = {
    FieldKind.TEXT: text(),
    FieldKind.INTEGER: Integer(),
    FieldKind.FLAG: Boolean(),
    FieldKind.TIME: UTCDateTime(),
    FieldKind.MAP: text(),
    FieldKind.LIST: text(),
    FieldKind.BYTES: blob(),
}
