"""The tables, derived from the fields of the records."""

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

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""The migrations, oldest first. They are repeated here so that a database that is current opens without Alembic.

The first digit is the generation. Within one, migrations only add, and what they add need not be known: a release works on
tables that a later one has brought up. A new generation takes away what no release of the old one may use any more.
"""

_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,15})?")

_LISTED_NODES = (
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
"""What listings of nodes filter for or sort by; fields with a unique value have an index by that."""
_RARE_IN_NODES = ("fault", "instance_name", "maintenance", "retired")
"""What is set in few nodes, and is asked for: only those are in its index, where a database can do that."""
_FOUND_IN_NODES = ("instance_uuid", "shard")
"""What listings ask to be set, whatever it is: the nodes that have it, in the order of creation."""
_COUNTERS = frozenset({"epoch", "revision"})


EVENT_COLUMNS: tuple[tuple[str, TypeEngine[Any], bool], ...] = (
    ("batch", counter(), True),
    ("kind", string(16), False),
    ("node_uuid", string(36), False),
    ("owner", string(255), True),
    ("lessee", string(255), True),
    ("content", text(), False),
    ("created_at", UTCDateTime(), False),
)
"""The columns of events: name, type and whether it may be empty."""
PROGRESS_COLUMNS = ("last_batch", "gone_batch", "gone_number")


def is_usable(revision: str) -> bool:
    """Whether this release can work on tables of *revision* as they are: they are its own, or a later one has added to them."""
    own = REVISIONS[-1]
    return revision == own or (revision.isdecimal() and len(revision) == len(own) and own < revision and revision[0] == own[0])


class StoreSchema:
    """The tables, under names that begin with a prefix: a host application may keep its own beside them."""

    def __init__(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(prefix):
            allowed = "allowed are a letter and up to 15 letters, digits and underscores"
            raise ConfigurationError(str(Problem("table_prefix", f"it is {prefix!r}", allowed)))
        self.prefix = prefix
        self.version_table = f"{prefix}alembic_version"
        self.metadata = MetaData()
        self.nodes = self._table("nodes", NODE_FIELDS, _LISTED_NODES)
        for name in _RARE_IN_NODES:
            Index(f"{self.nodes.name}_{name}_idx", self.nodes.c[name], self.nodes.c.id, **_where(is_set(self.nodes.c[name])))
        for name in _FOUND_IN_NODES:
            index = Index(f"{self.nodes.name}_with_{name}_idx", self.nodes.c.id, **_where(is_set(self.nodes.c[name])))
            index.ddl_if(callable_=_indexes_parts)
        self.ports = self._table("ports", PORT_FIELDS, ("node_uuid", "portgroup_uuid"))
        self._belongs_to_node(self.ports)
        self.conductors = self._table("conductors", CONDUCTOR_FIELDS, ())
        self.conductors.append_constraint(UniqueConstraint("hostname", name=f"{prefix}conductors_hostname_key"))

        self.events, self.events_progress = self._outbox()
        self.of_kind: Mapping[type, Table] = {record: self._table_of(kind) for record, kind in RECORD_KINDS.items()}

    def _table_of(self, kind: RecordKind[Any]) -> Table:
        table = self._table(kind.table, kind.fields, kind.listed)
        if kind.belongs_to_node:
            self._belongs_to_node(table)
        return table

    def _outbox(self) -> tuple[Table, Table]:
        """Events, and how far they were put in order and forgotten: one row."""
        name = f"{self.prefix}events"
        columns = [Column(column, kind, nullable=optional) for column, kind, optional in EVENT_COLUMNS]
        events = Table(
            name, self.metadata, Column("id", counter(), primary_key=True, autoincrement=True), *columns,
            # Numbers of events that were deleted are not given out again.
            sqlite_autoincrement=True,
        )  # fmt: skip
        Index(f"{name}_batch_idx", events.c.batch, events.c.id)
        counters = [Column(column, counter(), nullable=False) for column in PROGRESS_COLUMNS]
        progress = Table(
            f"{name}_progress", self.metadata, Column("id", counter(), primary_key=True, autoincrement=False), *counters
        )
        return events, progress

    def _belongs_to_node(self, table: Table) -> None:
        name = f"{table.name}_node_uuid_fkey"
        table.append_constraint(ForeignKeyConstraint(["node_uuid"], [self.nodes.c.uuid], name=name, ondelete="CASCADE"))

    def _table(self, name: str, fields: RecordFields[Any], listed: Iterable[str]) -> Table:
        name = self.prefix + name
        columns = [Column(field.name, _type(field), nullable=field.optional) for field in fields.by_name.values()]
        table = Table(name, self.metadata, Column("id", counter(), primary_key=True, autoincrement=True), *columns)
        for key in UNIQUE_KEYS.get(fields.label, ()):
            table.append_constraint(UniqueConstraint(*key, name=constraint_name(name, key)))
        for column in listed:
            # With the id: a page goes on within equal values.
            Index(f"{name}_{column}_idx", table.c[column], table.c.id)
        return table


def is_set(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a column has a value or, where it says yes or no, that it says yes."""
    return column.is_(true()) if isinstance(column.type, Boolean) else column.is_not(None)


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    return {"sqlite_where": condition, "postgresql_where": condition}


def _indexes_parts(*_: Any, dialect: Dialect, **__: Any) -> bool:
    """Whether a database can have an index of some of a table's records."""
    return dialect.name in ("sqlite", "postgresql")


def _type(field: Field) -> TypeEngine[Any]:
    if field.name in _COUNTERS:
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
