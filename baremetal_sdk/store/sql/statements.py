"""SQL statements of the SQL store on nodes, leases, ports and conductors.

Each statement is built once and kept, because :class:`CompiledStatements` finds its compiled form by object identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from baremetal_sdk.store.outbox import EVENT_NODE_COLUMNS
from baremetal_sdk.store.records.fields import CONDUCTOR_FIELDS, LEASE_FIELDS, NODE_FIELDS, PORT_FIELDS
from baremetal_sdk.store.records.node import Fence, NodeVersion
from baremetal_sdk.store.refusals import UNIQUE_KEYS
from baremetal_sdk.store.sql.column_types import UTCDateTime
from baremetal_sdk.store.sql.schema import StoreSchema

_MAX_CACHED_UPDATES = 256
"""Maximum number of UPDATE statements in the cache of a table. Each set of changed columns has its own statement."""


def new_value_name(column: str) -> str:
    """Return the name of the SQL parameter for the new value of *column*.

    The name must differ from the column's: SQLAlchemy adds each parameter that is named like a column to the SET clause.
    """
    return f"new_{column}"


def new_value_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the SQL parameters for new values (column -> value), with the names of :func:`new_value_name`."""
    return {new_value_name(column): value for column, value in values.items()}


def condition_parameters(uuid: str, fence: Fence | None, now: Any) -> dict[str, Any]:
    """Return the SQL parameters of the conditions under which the node *uuid* may be written.

    *now* is the time that decides which leases have expired. With *fence* its lease must be held; without it, no lease.
    """
    parameters: dict[str, Any] = {"ident": uuid, "now": now}
    if fence is not None:
        parameters |= {"holder": fence.holder, "fence_epoch": fence.epoch}
    return parameters


class ReturningWrite(NamedTuple):
    """A statement that deletes nodes or ends leases, with the way to get the affected nodes for the outbox.

    The outbox needs the columns ``EVENT_NODE_COLUMNS`` of each affected node.
    """

    write: Update | Delete
    returns_rows: bool
    """True if *write* itself returns the affected rows (``RETURNING``)."""
    select_first: Select[Any] | None
    """SELECT of the affected rows, to be run before *write*. None if *write* returns them, or if no rows are needed."""


class Statements:
    """The SQL statements for the tables of one schema, built once.

    Parameters of the statements: *ident* is the value of a unique column, and *now* is the current time. *holder* and
    *fence_epoch* belong to a fence. *expected_revision* is the revision that the caller read.

    *returning*: the database supports ``UPDATE ... RETURNING``, so updates return the record's columns.
    *delete_returning*: the database supports ``DELETE ... RETURNING``.
    *with_events*: the outbox is enabled, so deletions and the end of leases select ``EVENT_NODE_COLUMNS``.
    """

    def __init__(
        self, schema: StoreSchema, *, returning: bool, delete_returning: bool = False, with_events: bool = False
    ) -> None:
        self.returning = returning
        self._delete_returning = delete_returning
        self._with_events = with_events
        self._nodes, self._ports = schema.nodes, schema.ports
        self._conductors = schema.conductors
        self._node_columns = [schema.nodes.c[name] for name in NODE_FIELDS.names]
        self._port_columns = [schema.ports.c[name] for name in PORT_FIELDS.names]
        self.insert_node: Insert = insert(schema.nodes).inline()
        self.insert_port: Insert = insert(schema.ports).inline()
        self.insert_conductor: Insert = insert(schema.conductors).inline()
        self.node_by = {name: _select_by(self._node_columns, schema.nodes, name) for (name,) in UNIQUE_KEYS["node"]}
        version_columns = [schema.nodes.c[name] for name in NodeVersion._fields]
        self.node_version_by = {name: _select_by(version_columns, schema.nodes, name) for (name,) in UNIQUE_KEYS["node"]}
        self.port_by = {name: _select_by(self._port_columns, schema.ports, name) for (name,) in UNIQUE_KEYS["port"]}
        self.node_lease = self._select_node_lease()
        # A shared lock keeps the lease as it is until the transaction ends, and lets other ports of the node be created.
        self.node_lease_shared = self.node_lease.with_for_update(read=True)
        self.port_lease = self._select_port_lease()
        self.take_lease = self._take_lease()
        self.renew_leases = self._renew_leases()
        self.renewed_leases = self._select_renewed_leases()
        self.release_lease = self._clear_leases(schema.nodes.c.uuid == bindparam("ident"), self._matches_fence())
        self.expire_leases = self._clear_leases(schema.nodes.c.lease_holder == bindparam("holder"))
        self.delete_port: Delete = delete(schema.ports).where(schema.ports.c.uuid == bindparam("ident"))
        self.delete_node = {fenced: self._delete_node(fenced) for fenced in (False, True)}
        """DELETE of a node, by whether the caller has a fence. Foreign keys delete its ports and other records."""
        # Callers update few different sets of columns, so the same statement objects come back.
        self.update_node = lru_cache(_MAX_CACHED_UPDATES)(self._update_node)
        self.update_port = lru_cache(_MAX_CACHED_UPDATES)(self._update_port)

    # Nodes

    def _update_node(self, names: tuple[str, ...], fenced: bool, with_revision: bool, release: bool) -> Update:
        """Return an UPDATE of the columns *names* of a node. Its WHERE clause checks the lease and, if requested, the revision.

        The check and the write are one statement, so no other transaction can take the node in between.
        With *release* the same statement clears the lease.
        """
        table = self._nodes
        statement = update(table).where(table.c.uuid == bindparam("ident"), self._is_writable(fenced))
        if with_revision:
            statement = statement.where(table.c.revision == bindparam("expected_revision"))
        values = _changed_values(table, names)
        if release:
            values |= dict.fromkeys(LEASE_FIELDS)
        return self._add_returning(statement.values(values), self._node_columns)

    def _delete_node(self, fenced: bool) -> ReturningWrite:
        conditions = (self._nodes.c.uuid == bindparam("ident"), self._is_writable(fenced))
        return self._returning_write(delete(self._nodes).where(*conditions), self._delete_returning, conditions)

    def _is_writable(self, fenced: bool) -> ColumnElement[bool]:
        return self._is_held_by_fence() if fenced else self._is_free()

    def _is_free(self) -> ColumnElement[bool]:
        columns = self._nodes.c
        return or_(columns.lease_holder.is_(None), columns.lease_expires_at <= _now_parameter())

    def _is_held_by_fence(self) -> ColumnElement[bool]:
        return and_(self._matches_fence(), self._nodes.c.lease_expires_at > _now_parameter())

    def _matches_fence(self) -> ColumnElement[bool]:
        columns = self._nodes.c
        return and_(columns.lease_holder == bindparam("holder"), columns.epoch == bindparam("fence_epoch"))

    def _add_returning(self, statement: Update, columns: list[Any]) -> Update:
        return statement.returning(*columns) if self.returning else statement

    # Leases

    def _lease_columns(self) -> list[Any]:
        return [self._nodes.c[name] for name in ("uuid", "revision", "epoch", *LEASE_FIELDS)]

    def _select_node_lease(self) -> Select[Any]:
        return select(*self._lease_columns()).where(self._nodes.c.uuid == bindparam("ident"))

    def _select_port_lease(self) -> Select[Any]:
        """Return a SELECT of the lease of a port's node and of the port's revision. It locks both rows."""
        nodes, ports = self._nodes, self._ports
        columns = select(*self._lease_columns(), ports.c.revision.label("port_revision"))
        joined = columns.join_from(ports, nodes, ports.c.node_uuid == nodes.c.uuid)
        return joined.where(ports.c.uuid == bindparam("ident")).with_for_update()

    def _take_lease(self) -> Update:
        """Return an UPDATE that takes the lease of a node that is free at the time *now*.

        The new epoch invalidates the fences of earlier leases. The revision stays, because a lease is no change for clients.
        """
        table = self._nodes
        values: dict[str, Any] = {name: bindparam(new_value_name(name), type_=table.c[name].type) for name in LEASE_FIELDS}
        values["epoch"] = table.c.epoch + 1
        statement = update(table).where(table.c.uuid == bindparam("ident"), self._is_free())
        return self._add_returning(statement.values(values), self._node_columns)

    def _renew_leases(self) -> Update:
        """Return an UPDATE that extends the leases of *holder* on the nodes *idents*, except those that have expired."""
        columns = self._nodes.c
        held = update(self._nodes).where(columns.uuid.in_(_idents_parameter()), columns.lease_holder == bindparam("holder"))
        held = held.where(columns.lease_expires_at > _now_parameter())
        return self._add_returning(held.values(lease_expires_at=_new_expiry_parameter()), self._lease_columns())

    def _select_renewed_leases(self) -> Select[Any]:
        """Return a SELECT of the leases that :meth:`_renew_leases` extended, for databases without ``UPDATE ... RETURNING``."""
        columns = self._nodes.c
        found = select(*self._lease_columns()).where(
            columns.uuid.in_(_idents_parameter()), columns.lease_holder == bindparam("holder")
        )
        return found.where(columns.lease_expires_at == _new_expiry_parameter())

    def _clear_leases(self, *conditions: ColumnElement[bool]) -> ReturningWrite:
        statement = update(self._nodes).where(*conditions).values(dict.fromkeys(LEASE_FIELDS))
        return self._returning_write(statement, self.returning, conditions)

    def _returning_write(
        self, write: Update | Delete, can_return: bool, conditions: tuple[ColumnElement[bool], ...]
    ) -> ReturningWrite:
        """Return *write* with the way to get ``EVENT_NODE_COLUMNS`` of the rows that meet *conditions*.

        *can_return* is True if the database supports RETURNING for such a statement.
        """
        columns = [self._nodes.c[name] for name in EVENT_NODE_COLUMNS]
        if not self._with_events:
            return ReturningWrite(write, returns_rows=False, select_first=None)
        if can_return:
            return ReturningWrite(write.returning(*columns), returns_rows=True, select_first=None)
        # The rows are gone or changed after the write. The lock makes the write affect exactly the selected rows.
        select_first = select(*columns).where(*conditions).with_for_update()
        return ReturningWrite(write, returns_rows=False, select_first=select_first)

    # Ports

    def _update_port(self, names: tuple[str, ...]) -> Update:
        table = self._ports
        statement = update(table).where(table.c.uuid == bindparam("ident")).values(_changed_values(table, names))
        return self._add_returning(statement, self._port_columns)

    # Conductors

    @property
    def conductors(self) -> Select[Any]:
        """SELECT of all conductors, ordered by host name."""
        return select(*(self._conductors.c[name] for name in CONDUCTOR_FIELDS.names)).order_by(self._conductors.c.hostname)

    @property
    def conductor(self) -> Select[Any]:
        """SELECT of the conductor with the host name *ident*."""
        return self.conductors.where(self._conductors.c.hostname == bindparam("ident"))

    def update_conductor(self, names: tuple[str, ...], *, same_incarnation: bool) -> Update:
        """Return an UPDATE of the columns *names* of the conductor with the host name *ident*.

        With *same_incarnation* the row must have the incarnation *running_incarnation*.
        """
        table = self._conductors
        statement = update(table).where(table.c.hostname == bindparam("ident"))
        if same_incarnation:
            statement = statement.where(table.c.incarnation == bindparam("running_incarnation"))
        return statement.values({name: bindparam(new_value_name(name), type_=table.c[name].type) for name in names})

    @property
    def delete_conductor(self) -> Delete:
        """DELETE of the conductor with the host name *ident*, unless another incarnation has registered."""
        columns = self._conductors.c
        return delete(self._conductors).where(
            columns.hostname == bindparam("ident"), columns.incarnation == bindparam("running_incarnation")
        )


def _select_by(columns: list[Any], table: Table, name: str) -> Select[Any]:
    return select(*columns).where(table.c[name] == bindparam("ident"))


def _changed_values(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the SET clause of an UPDATE of the columns *names*, which also sets ``updated_at`` and the next revision."""
    values: dict[str, Any] = {name: bindparam(new_value_name(name), type_=table.c[name].type) for name in (*names, "updated_at")}
    return {**values, "revision": table.c.revision + 1}


def _now_parameter() -> BindParameter[Any]:
    return bindparam("now", type_=UTCDateTime())


def _idents_parameter() -> BindParameter[Any]:
    return bindparam("idents", expanding=True)


def _new_expiry_parameter() -> BindParameter[Any]:
    return bindparam(new_value_name("lease_expires_at"), type_=UTCDateTime())
