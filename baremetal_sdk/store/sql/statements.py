"""The statements on single records. They are made once: what they compile to is found again by their identity."""

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
from baremetal_sdk.store.records.node import NodeVersion
from baremetal_sdk.store.refusals import UNIQUE_KEYS
from baremetal_sdk.store.sql.column_types import UTCDateTime
from baremetal_sdk.store.sql.schema import StoreSchema

_UPDATES_KEPT = 256
"""Sets of changed fields whose statement is kept."""


def new(name: str) -> str:
    """The parameter with the new value of a column."""
    return f"new_{name}"


def new_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of new values."""
    return {new(name): value for name, value in values.items()}


class ReturningWrite(NamedTuple):
    """A write that gives back whom it wrote to, or what asks for them before it."""

    write: Update | Delete
    answers: bool
    """Whether the write itself tells whom it was for."""
    asking: Select[Any] | None


class Statements:
    """The statements of one schema.

    Parameters: *ident* says which record, *moment* what time it is, *holder* and *fenced* (the epoch) are those of a fence,
    *expected* is a revision. With *returning*, updates give back the columns of the record, with *deleted* deletions those of
    ``TELLING``. With *telling*, it is asked which nodes lose a lease or are deleted, to tell of them.
    """

    def __init__(self, schema: StoreSchema, *, returning: bool, deleted: bool = False, telling: bool = False) -> None:
        self.returning = returning
        self._deleted, self._event_values = deleted, telling
        self._nodes, self._ports = schema.nodes, schema.ports
        self._conductors = schema.conductors
        self._node_columns = [schema.nodes.c[name] for name in NODE_FIELDS.names]
        self._port_columns = [schema.ports.c[name] for name in PORT_FIELDS.names]
        self.insert_node: Insert = insert(schema.nodes).inline()
        self.insert_port: Insert = insert(schema.ports).inline()
        self.insert_conductor: Insert = insert(schema.conductors).inline()
        self.node_by = {name: _found_by(self._node_columns, schema.nodes, name) for (name,) in UNIQUE_KEYS["node"]}
        version_columns = [schema.nodes.c[name] for name in NodeVersion._fields]
        self.node_version_by = {name: _found_by(version_columns, schema.nodes, name) for (name,) in UNIQUE_KEYS["node"]}
        self.port_by = {name: _found_by(self._port_columns, schema.ports, name) for (name,) in UNIQUE_KEYS["port"]}
        self.node_lease = self._lease_of_node()
        self.node_lease_shared = self.node_lease.with_for_update(read=True)
        self.port_lease = self._lease_of_port()
        self.take_lease = self._take_lease()
        self.renew_leases = self._renew_leases()
        self.renewed_leases = self._renewed_leases()
        self.release_lease = self._without_lease(schema.nodes.c.uuid == bindparam("ident"), self._of_fence())
        self.expire_leases = self._without_lease(schema.nodes.c.lease_holder == bindparam("holder"))
        self.delete_port: Delete = delete(schema.ports).where(schema.ports.c.uuid == bindparam("ident"))
        self.delete_node = {fenced: self._delete_node(fenced) for fenced in (False, True)}
        """Delete a node that may be written, by a fence or without; its ports go with it by their foreign key."""
        self.update_node = lru_cache(_UPDATES_KEPT)(self._update_node)
        self.update_port = lru_cache(_UPDATES_KEPT)(self._update_port)

    # Nodes

    def _update_node(self, names: tuple[str, ...], fenced: bool, revised: bool, release: bool) -> Update:
        table = self._nodes
        statement = update(table).where(table.c.uuid == bindparam("ident"), self._writable(fenced))
        if revised:
            statement = statement.where(table.c.revision == bindparam("expected"))
        values = _changes(table, names) | (dict.fromkeys(LEASE_FIELDS) if release else {})
        return self._returning(statement.values(values), self._node_columns)

    def _delete_node(self, fenced: bool) -> ReturningWrite:
        conditions = (self._nodes.c.uuid == bindparam("ident"), self._writable(fenced))
        return self._ending(delete(self._nodes).where(*conditions), self._deleted, conditions)

    def _writable(self, fenced: bool) -> ColumnElement[bool]:
        return self._held_by_fence() if fenced else self._free()

    def _free(self) -> ColumnElement[bool]:
        columns = self._nodes.c
        return or_(columns.lease_holder.is_(None), columns.lease_expires_at <= _moment())

    def _held_by_fence(self) -> ColumnElement[bool]:
        return and_(self._of_fence(), self._nodes.c.lease_expires_at > _moment())

    def _of_fence(self) -> ColumnElement[bool]:
        columns = self._nodes.c
        return and_(columns.lease_holder == bindparam("holder"), columns.epoch == bindparam("fenced"))

    def _returning(self, statement: Update, columns: list[Any]) -> Update:
        return statement.returning(*columns) if self.returning else statement

    # Leases

    def _lease_columns(self) -> list[Any]:
        return [self._nodes.c[name] for name in ("uuid", "revision", "epoch", *LEASE_FIELDS)]

    def _lease_of_node(self) -> Select[Any]:
        return select(*self._lease_columns()).where(self._nodes.c.uuid == bindparam("ident"))

    def _lease_of_port(self) -> Select[Any]:
        """The lease of a port's node, and the port's revision. Both rows stay as they are until the transaction ends."""
        nodes, ports = self._nodes, self._ports
        columns = select(*self._lease_columns(), ports.c.revision.label("port_revision"))
        joined = columns.join_from(ports, nodes, ports.c.node_uuid == nodes.c.uuid)
        return joined.where(ports.c.uuid == bindparam("ident")).with_for_update()

    def _take_lease(self) -> Update:
        table = self._nodes
        values: dict[str, Any] = {name: bindparam(new(name), type_=table.c[name].type) for name in LEASE_FIELDS}
        values["epoch"] = table.c.epoch + 1
        statement = update(table).where(table.c.uuid == bindparam("ident"), self._free())
        return self._returning(statement.values(values), self._node_columns)

    def _renew_leases(self) -> Update:
        """Of the nodes *idents*, those that *holder* still holds."""
        columns = self._nodes.c
        held = update(self._nodes).where(columns.uuid.in_(_idents()), columns.lease_holder == bindparam("holder"))
        held = held.where(columns.lease_expires_at > _moment())
        return self._returning(held.values(lease_expires_at=_new_expiry()), self._lease_columns())

    def _renewed_leases(self) -> Select[Any]:
        """What the update has written, for databases whose updates give nothing back."""
        columns = self._nodes.c
        found = select(*self._lease_columns()).where(columns.uuid.in_(_idents()), columns.lease_holder == bindparam("holder"))
        return found.where(columns.lease_expires_at == _new_expiry())

    def _without_lease(self, *conditions: ColumnElement[bool]) -> ReturningWrite:
        statement = update(self._nodes).where(*conditions).values(dict.fromkeys(LEASE_FIELDS))
        return self._ending(statement, self.returning, conditions)

    def _ending(self, write: Update | Delete, answers: bool, conditions: tuple[ColumnElement[bool], ...]) -> ReturningWrite:
        """A write after which a node, or its lease, is no longer there; whoever is to be told of it is asked for."""
        told = [self._nodes.c[name] for name in EVENT_NODE_COLUMNS]
        if not self._event_values:
            return ReturningWrite(write, False, None)
        if answers:
            return ReturningWrite(write.returning(*told), True, None)
        return ReturningWrite(write, False, select(*told).where(*conditions).with_for_update())

    # Ports

    def _update_port(self, names: tuple[str, ...]) -> Update:
        table = self._ports
        statement = update(table).where(table.c.uuid == bindparam("ident")).values(_changes(table, names))
        return self._returning(statement, self._port_columns)

    # Conductors

    @property
    def conductors(self) -> Select[Any]:
        """All conductors, by host name."""
        return select(*(self._conductors.c[name] for name in CONDUCTOR_FIELDS.names)).order_by(self._conductors.c.hostname)

    @property
    def conductor(self) -> Select[Any]:
        """One conductor."""
        return self.conductors.where(self._conductors.c.hostname == bindparam("ident"))

    def update_conductor(self, names: tuple[str, ...], *, same_incarnation: bool) -> Update:
        """Write columns of a conductor; where it matters, only of the *incarnation* that is registered."""
        table = self._conductors
        statement = update(table).where(table.c.hostname == bindparam("ident"))
        if same_incarnation:
            statement = statement.where(table.c.incarnation == bindparam("running"))
        return statement.values({name: bindparam(new(name), type_=table.c[name].type) for name in names})

    @property
    def delete_conductor(self) -> Delete:
        """Forget a conductor, if it is still this incarnation."""
        columns = self._conductors.c
        return delete(self._conductors).where(columns.hostname == bindparam("ident"), columns.incarnation == bindparam("running"))


def _found_by(columns: list[Any], table: Table, name: str) -> Select[Any]:
    return select(*columns).where(table.c[name] == bindparam("ident"))


def _changes(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of an update that counts the record's revision."""
    changed: dict[str, Any] = {name: bindparam(new(name), type_=table.c[name].type) for name in (*names, "updated_at")}
    return {**changed, "revision": table.c.revision + 1}


def _moment() -> BindParameter[Any]:
    return bindparam("moment", type_=UTCDateTime())


def _idents() -> BindParameter[Any]:
    return bindparam("idents", expanding=True)


def _new_expiry() -> BindParameter[Any]:
    return bindparam(new("lease_expires_at"), type_=UTCDateTime())
