"""A store in an SQL database: SQLite, and with the same statements PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Select, Update, func, select

from baremetal_interfaces import BareMetalError
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import RevisionConflict
from baremetal_sdk.store.leases import (
    expiry,
    lease_of,
    overdue,
    require_fence_of,
    require_no_fence,
    require_revision,
    require_writable,
)
from baremetal_sdk.store.outbox import Draft, of_birth, of_change, of_death, of_lease, of_release
from baremetal_sdk.store.records.fields import LEASE_FIELDS, NODE_FIELDS, PORT_FIELDS, require_uuid
from baremetal_sdk.store.records.identifiers import node_key, port_key
from baremetal_sdk.store.records.node import Fence, Lease, NodeGlance, NodeRecord, NodeUpdate, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.store.refusals import node_not_found, port_not_found
from baremetal_sdk.store.sql.conductors import SQLConductors
from baremetal_sdk.store.sql.engine import CONNECTIONS, Database
from baremetal_sdk.store.sql.failures import collisions_repeated
from baremetal_sdk.store.sql.listing import Listing, node_conditions, of_nodes, shares_of, visible_nodes, visible_ports
from baremetal_sdk.store.sql.outbox import SQLOutbox
from baremetal_sdk.store.sql.records import SQLRecords
from baremetal_sdk.store.sql.rows import RowReader
from baremetal_sdk.store.sql.schema import Schema
from baremetal_sdk.store.sql.statements import Ending, Statements, new_values
from baremetal_sdk.store.sql.unique_conflicts import taken_told
from baremetal_sdk.store.sql.upgrade import ensure_current

_RENEWED_AT_ONCE = 500
_NEW_NODE = {"updated_at": None, "epoch": 0, "revision": 0, **dict.fromkeys(LEASE_FIELDS)}
_NODES = RowReader(NODE_FIELDS, NODE_FIELDS.names)
_PORTS = RowReader(PORT_FIELDS, PORT_FIELDS.names)


class SQLStore(SQLConductors, SQLRecords):
    """The ``Store`` protocol in an SQL database.

    *url* is an SQLAlchemy URL. The names of the tables begin with *table_prefix*, so that a host application can keep
    them beside its own; they have a version of their own. With *events* what happens to nodes is kept for readers of events.
    What fails in the database is raised as ``StoreUnavailable``.
    On SQLite, commits survive the end of the process; those of the last moments before a loss of power may be lost.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        table_prefix: str = "bm_",
        connections: int = CONNECTIONS,
        events: bool = True,
    ) -> None:
        super().__init__(Database(url, connections=connections), Schema(table_prefix), clock or SystemClock())
        self._opening = Lock()
        self.outbox = SQLOutbox(self._database, self._schema, self._clock, enabled=events)
        """What happened to nodes."""
        self._statements = Statements(self._schema, returning=False)

    def __repr__(self) -> str:
        return f"SQLStore({self._database!r})"

    def open(self) -> None:
        """Connect, and create or upgrade the tables. An open store stays as it is."""
        with self._opening:
            if self._database.is_open:
                return
            self._database.open()
            try:
                ensure_current(self._database, self._schema)
            except BaseException:
                self._database.close()
                raise
            # Only a connected database says what its version can do.
            dialect = self._database.engine.dialect
            self._statements = Statements(
                self._schema,
                returning=dialect.update_returning,
                deleted=dialect.delete_returning,
                telling=self.outbox.enabled,
            )

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    # Nodes

    @collisions_repeated
    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node."""
        require_no_fence(fence)
        require_uuid("uuid", node.uuid)
        stored = NODE_FIELDS.stored(node)
        stored.update(_NEW_NODE)
        with self._database.writing() as connection, taken_told("node", self._schema.nodes, stored):
            stored["created_at"] = now = self._clock.now()
            self._database.direct.run(connection, self._statements.insert_node, stored)
            created = _NODES.record(list(stored.values()))
            self._tell(connection, lambda: of_birth(created, now))
        return created

    @collisions_repeated
    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """The node with this UUID or name."""
        return _NODES.record(self._read_node(self._statements.node_by, ident, scope))

    @collisions_repeated
    def glance(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeGlance:
        """What of a node changes whenever anything does."""
        return NodeGlance._make(self._read_node(self._statements.glance_by, ident, scope))

    def _read_node(self, statements: Mapping[str, Select[Any]], ident: str, scope: Scope) -> Sequence[Any]:
        field, value = node_key(ident)
        statement = statements[field]
        visible = visible_nodes(self._schema.nodes, scope)
        with self._database.reading() as connection:
            if visible:
                row: Sequence[Any] | None = connection.execute(statement.where(*visible), {"ident": value}).first()
            else:
                row = self._database.direct.first(connection, statement, {"ident": value})
        if row is None:
            raise node_not_found(ident)
        return row

    @collisions_repeated
    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of nodes."""
        table = self._schema.nodes
        listing = Listing(table, NODE_FIELDS, query, node_conditions(table, query), shares_of(table, scope))
        return self._page(listing, NODE_FIELDS, query, visible_nodes(table, scope))

    @collisions_repeated
    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Each shard and how many nodes it has."""
        nodes = self._schema.nodes
        counted = select(nodes.c.shard, func.count()).where(*visible_nodes(nodes, scope)).group_by(nodes.c.shard)
        with self._database.reading() as connection:
            rows = connection.execute(counted).all()
        return sorted(((shard, count) for shard, count in rows), key=lambda pair: pair[0] or "")

    @collisions_repeated
    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Each provision state and how many nodes are in it."""
        state = self._schema.nodes.c.provision_state
        with self._database.reading() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state).order_by(state)).all()
        return [(name, count) for name, count in rows]

    @collisions_repeated
    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes* and give back the node as it is then."""
        require_fence_of(uuid, fence)
        stored = NODE_FIELDS.changes(changes)
        statement = self._statements.update_node(tuple(sorted(stored)), fence is not None, revision is not None, release)
        with self._database.writing() as connection, taken_told("node", self._schema.nodes, stored):
            now = self._clock.now()
            given = {"expected": revision} if revision is not None else {}
            row = self._written_node(connection, statement, _written_as(uuid, fence, now) | _changed(stored, now) | given)
            if row is None:
                raise self._refusal(connection, uuid, fence, now, revision)
            node = _NODES.record(row)
            self._tell(connection, lambda: of_change(changes, node, now, release))
        return node

    @collisions_repeated
    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Write to many nodes that are as they were, in one transaction."""
        written: dict[int, NodeRecord | None] = {}
        with self._database.writing() as connection:
            now = self._clock.now()
            # In one order for all who do this: two that lock the same nodes do not wait for each other.
            for place, update in sorted(enumerate(updates), key=lambda pair: pair[1].node_uuid):
                stored = NODE_FIELDS.changes(update.changes)
                statement = self._statements.update_node(tuple(sorted(stored)), False, True, False)
                values = _written_as(update.node_uuid, None, now) | _changed(stored, now) | {"expected": update.revision}
                row = self._written_node(connection, statement, values)
                written[place] = None if row is None else _NODES.record(row)
            pairs = [(update, written[place]) for place, update in enumerate(updates)]
            self._tell(connection, lambda: [one for asked, node in pairs if node for one in of_change(asked.changes, node, now)])
        return [node for _, node in pairs]

    @collisions_repeated
    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node, with its ports."""
        require_fence_of(uuid, fence)
        with self._database.writing() as connection:
            now = self._clock.now()
            gone, count = self._end(connection, self._statements.delete_node[fence is not None], _written_as(uuid, fence, now))
            if count == 0:
                raise self._refusal(connection, uuid, fence, now)
            self._tell(connection, lambda: [of_death(node, now) for node in gone])

    def _end(self, connection: Connection, ending: Ending, parameters: Mapping[str, Any]) -> tuple[Sequence[Any], int]:
        """End leases or nodes; tell what is asked to tell of them, and how many they are."""
        direct = self._database.direct
        if ending.answers:
            told = direct.rows(connection, ending.write, parameters)
            return told, len(told)
        told = [] if ending.asking is None else direct.rows(connection, ending.asking, parameters)
        return told, direct.run(connection, ending.write, parameters)

    def _tell(self, connection: Connection, drafts: Callable[[], Sequence[Draft]]) -> None:
        if self.outbox.enabled:
            self.outbox.write(connection, drafts())

    def _written_node(self, connection: Connection, statement: Update, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        return self._written(connection, statement, parameters, self._statements.node_by["uuid"])

    def _written(
        self, connection: Connection, statement: Update, parameters: Mapping[str, Any], reread: Select[Any]
    ) -> Sequence[Any] | None:
        """The record that an update has written, or None where its conditions did not hold."""
        direct = self._database.direct
        if self._statements.returning:
            return direct.first(connection, statement, parameters)
        if direct.run(connection, statement, parameters) == 0:
            return None
        return direct.first(connection, reread, {"ident": parameters["ident"]})

    def _refusal(
        self, connection: Connection, uuid: str, fence: Fence | None, now: datetime, revision: int | None = None
    ) -> BareMetalError:
        """Why a node was not written."""
        node = self._lease(connection, self._statements.node_lease, uuid)
        if node is None:
            return node_not_found(uuid)
        require_writable(node, fence, now)
        require_revision("node", uuid, node["revision"], revision)
        return RevisionConflict(f"node {uuid} was changed by another process at the same time: try again", uuid=uuid)

    # Leases

    @collisions_repeated
    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take a free or expired lease, and read the node under it."""
        lease = {
            "lease_holder": NODE_FIELDS.by_name["lease_holder"].stored(holder),
            "lease_purpose": NODE_FIELDS.by_name["lease_purpose"].stored(purpose),
        }
        with self._database.writing() as connection:
            now = self._clock.now()
            lease |= {"lease_since": now, "lease_expires_at": expiry(now, duration)}
            void = overdue(now, grace)
            row = self._written_node(connection, self._statements.take_lease, _written_as(uuid, None, void) | new_values(lease))
            if row is None:
                raise self._refusal(connection, uuid, None, void)
            node = _NODES.record(row)
            self._tell(connection, lambda: [of_lease(node, now)])
        return lease_of(vars(node)), node

    @collisions_repeated
    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Let leases expire *duration* seconds from now; give back those that were still held."""
        wanted, renewed = set(fences), []
        by_holder = groupby(sorted(fences, key=lambda one: (one.holder, one.node_uuid)), key=lambda one: one.holder)
        with self._database.writing() as connection:
            now = self._clock.now()
            given = {"moment": now, **new_values({"lease_expires_at": expiry(now, duration)})}
            for holder, held in by_holder:
                nodes = [fence.node_uuid for fence in held]
                for begin in range(0, len(nodes), _RENEWED_AT_ONCE):
                    some = nodes[begin : begin + _RENEWED_AT_ONCE]
                    rows = self._renewed(connection, {**given, "holder": holder, "idents": some})
                    renewed += [lease_of(row._mapping) for row in rows]
        return [lease for lease in renewed if lease.fence in wanted]

    def _renewed(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any]:
        result = connection.execute(self._statements.renew_leases, given)
        if self._statements.returning:
            return result.all()
        return connection.execute(self._statements.renewed_leases, given).all()

    @collisions_repeated
    def release_lease(self, fence: Fence) -> None:
        """Give a lease back."""
        parameters = {"ident": fence.node_uuid, "holder": fence.holder, "fenced": fence.epoch}
        self._end_leases(self._statements.release_lease, parameters)

    @collisions_repeated
    def expire_leases(self, holder: str) -> int:
        """Let every lease of a dead holder expire now."""
        return self._end_leases(self._statements.expire_leases, {"holder": holder})

    def _end_leases(self, ending: Ending, parameters: Mapping[str, Any]) -> int:
        with self._database.writing() as connection:
            nodes, count = self._end(connection, ending, parameters)
            now = self._clock.now()
            self._tell(connection, lambda: [of_release(node, now) for node in nodes])
        return count

    # Ports

    @collisions_repeated
    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port of a node."""
        require_fence_of(port.node_uuid, fence)
        require_uuid("uuid", port.uuid)
        stored = PORT_FIELDS.stored(port)
        stored.update(updated_at=None, revision=0)
        with self._database.writing() as connection, taken_told("port", self._schema.ports, stored):
            now = self._clock.now()
            node = self._lease(connection, self._statements.node_lease_shared, port.node_uuid)
            if node is None:
                raise node_not_found(port.node_uuid)
            require_writable(node, fence, now)
            stored["created_at"] = now
            connection.execute(self._statements.insert_port, stored)
        return _PORTS.record(list(stored.values()))

    @collisions_repeated
    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """The port with this UUID, MAC address or name."""
        field, value = port_key(ident)
        statement = self._statements.port_by[field]
        if visible := visible_ports(self._schema.ports, self._schema.nodes, scope):
            statement = statement.where(*visible)
        with self._database.reading() as connection:
            row = connection.execute(statement, {"ident": value}).first()
        if row is None:
            raise port_not_found(ident)
        return _PORTS.record(row)

    @collisions_repeated
    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of ports."""
        visible = visible_ports(self._schema.ports, self._schema.nodes, scope)
        conditions = visible + of_nodes(self._schema.ports, self._schema.nodes, query)
        return self._page(Listing(self._schema.ports, PORT_FIELDS, query, conditions), PORT_FIELDS, query, visible)

    @collisions_repeated
    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port and give it back as it is then."""
        stored = PORT_FIELDS.changes(changes)
        statement = self._statements.update_port(tuple(sorted(stored)))
        with self._database.writing() as connection, taken_told("port", self._schema.ports, stored):
            now = self._clock.now()
            current = self._writable_port(connection, uuid, fence, now)
            require_revision("port", uuid, current, revision)
            parameters = {"ident": uuid} | _changed(stored, now)
            row = self._written(connection, statement, parameters, self._statements.port_by["uuid"])
        if row is None:
            raise port_not_found(uuid)
        return _PORTS.record(row)

    @collisions_repeated
    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port."""
        with self._database.writing() as connection:
            self._writable_port(connection, uuid, fence, self._clock.now())
            connection.execute(self._statements.delete_port, {"ident": uuid})

    def _writable_port(self, connection: Connection, uuid: str, fence: Fence | None, now: datetime) -> int:
        """The revision of a port that may be written; it stays so until the transaction ends."""
        node = self._lease(connection, self._statements.port_lease, uuid)
        if node is None:
            raise port_not_found(uuid)
        require_fence_of(node["uuid"], fence)
        require_writable(node, fence, now)
        revision: int = node["port_revision"]
        return revision


def _written_as(uuid: str, fence: Fence | None, now: datetime) -> dict[str, Any]:
    """The parameters of a write's conditions."""
    conditions: dict[str, Any] = {"ident": uuid, "moment": now}
    if fence is not None:
        conditions |= {"holder": fence.holder, "fenced": fence.epoch}
    return conditions


def _changed(stored: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return new_values(stored) | new_values({"updated_at": now})
