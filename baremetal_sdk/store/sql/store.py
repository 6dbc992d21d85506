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
    build_lease,
    compute_expiry,
    compute_expiry_cutoff,
    require_fence_of,
    require_no_fence,
    require_revision,
    require_writable,
)
from baremetal_sdk.store.outbox import EventDraft, draft_changes, draft_creation, draft_deletion, draft_lease, draft_release
from baremetal_sdk.store.records.fields import LEASE_FIELDS, NODE_FIELDS, PORT_FIELDS, require_uuid
from baremetal_sdk.store.records.identifiers import node_key, port_key
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord, NodeUpdate, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.store.refusals import node_not_found_error, port_not_found_error
from baremetal_sdk.store.sql.conductors import SQLConductors
from baremetal_sdk.store.sql.engine import CONNECTIONS, Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.listing import (
    Listing,
    node_query_conditions,
    owning_node_conditions,
    visible_node_shares,
    visible_nodes,
    visible_ports,
)
from baremetal_sdk.store.sql.outbox import SQLOutbox
from baremetal_sdk.store.sql.records import SQLRecords
from baremetal_sdk.store.sql.rows import RowReader
from baremetal_sdk.store.sql.schema import StoreSchema
from baremetal_sdk.store.sql.statements import ReturningWrite, Statements, new_values
from baremetal_sdk.store.sql.unique_conflicts import raise_duplicates
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
        super().__init__(Database(url, connections=connections), StoreSchema(table_prefix), clock or SystemClock())
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

    @retry_on_conflict
    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node."""
        require_no_fence(fence)
        require_uuid("uuid", node.uuid)
        stored = NODE_FIELDS.encode_record(node)
        stored.update(_NEW_NODE)
        with self._database.writing() as connection, raise_duplicates("node", self._schema.nodes, stored):
            stored["created_at"] = now = self._clock.now()
            self._database.compiled.run(connection, self._statements.insert_node, stored)
            created = _NODES.read_record(list(stored.values()))
            self._tell(connection, lambda: draft_creation(created, now))
        return created

    @retry_on_conflict
    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """The node with this UUID or name."""
        return _NODES.read_record(self._read_node(self._statements.node_by, ident, scope))

    @retry_on_conflict
    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """What of a node changes whenever anything does."""
        return NodeVersion._make(self._read_node(self._statements.node_version_by, ident, scope))

    def _read_node(self, statements: Mapping[str, Select[Any]], ident: str, scope: Scope) -> Sequence[Any]:
        field, value = node_key(ident)
        statement = statements[field]
        visible = visible_nodes(self._schema.nodes, scope)
        with self._database.reading() as connection:
            if visible:
                row: Sequence[Any] | None = connection.execute(statement.where(*visible), {"ident": value}).first()
            else:
                row = self._database.compiled.first(connection, statement, {"ident": value})
        if row is None:
            raise node_not_found_error(ident)
        return row

    @retry_on_conflict
    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of nodes."""
        table = self._schema.nodes
        listing = Listing(table, NODE_FIELDS, query, node_query_conditions(table, query), visible_node_shares(table, scope))
        return self._page(listing, NODE_FIELDS, query, visible_nodes(table, scope))

    @retry_on_conflict
    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Each shard and how many nodes it has."""
        nodes = self._schema.nodes
        counted = select(nodes.c.shard, func.count()).where(*visible_nodes(nodes, scope)).group_by(nodes.c.shard)
        with self._database.reading() as connection:
            rows = connection.execute(counted).all()
        return sorted(((shard, count) for shard, count in rows), key=lambda pair: pair[0] or "")

    @retry_on_conflict
    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Each provision state and how many nodes are in it."""
        state = self._schema.nodes.c.provision_state
        with self._database.reading() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state).order_by(state)).all()
        return [(name, count) for name, count in rows]

    @retry_on_conflict
    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes* and give back the node as it is then."""
        require_fence_of(uuid, fence)
        stored = NODE_FIELDS.encode_changes(changes)
        statement = self._statements.update_node(tuple(sorted(stored)), fence is not None, revision is not None, release)
        with self._database.writing() as connection, raise_duplicates("node", self._schema.nodes, stored):
            now = self._clock.now()
            given = {"expected": revision} if revision is not None else {}
            row = self._written_node(connection, statement, _written_as(uuid, fence, now) | _changed(stored, now) | given)
            if row is None:
                raise self._refusal(connection, uuid, fence, now, revision)
            node = _NODES.read_record(row)
            self._tell(connection, lambda: draft_changes(changes, node, now, release))
        return node

    @retry_on_conflict
    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Write to many nodes that are as they were, in one transaction."""
        written: dict[int, NodeRecord | None] = {}
        with self._database.writing() as connection:
            now = self._clock.now()
            # In one order for all who do this: two that lock the same nodes do not wait for each other.
            for place, update in sorted(enumerate(updates), key=lambda pair: pair[1].node_uuid):
                stored = NODE_FIELDS.encode_changes(update.changes)
                statement = self._statements.update_node(tuple(sorted(stored)), False, True, False)
                values = _written_as(update.node_uuid, None, now) | _changed(stored, now) | {"expected": update.revision}
                row = self._written_node(connection, statement, values)
                written[place] = None if row is None else _NODES.read_record(row)
            nodes = [written[place] for place in range(len(updates))]
            changed = [(update, node) for update, node in zip(updates, nodes, strict=True) if node is not None]
            self._tell(connection, lambda: [one for asked, node in changed for one in draft_changes(asked.changes, node, now)])
        return nodes

    @retry_on_conflict
    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node, with its ports."""
        require_fence_of(uuid, fence)
        with self._database.writing() as connection:
            now = self._clock.now()
            gone, count = self._end(connection, self._statements.delete_node[fence is not None], _written_as(uuid, fence, now))
            if count == 0:
                raise self._refusal(connection, uuid, fence, now)
            self._tell(connection, lambda: [draft_deletion(node, now) for node in gone])

    def _end(self, connection: Connection, ending: ReturningWrite, parameters: Mapping[str, Any]) -> tuple[Sequence[Any], int]:
        """End leases or nodes; tell what is asked to tell of them, and how many they are."""
        compiled = self._database.compiled
        if ending.answers:
            told = compiled.rows(connection, ending.write, parameters)
            return told, len(told)
        told = [] if ending.asking is None else compiled.rows(connection, ending.asking, parameters)
        return told, compiled.run(connection, ending.write, parameters)

    def _tell(self, connection: Connection, drafts: Callable[[], Sequence[EventDraft]]) -> None:
        if self.outbox.enabled:
            self.outbox.write(connection, drafts())

    def _written_node(self, connection: Connection, statement: Update, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        return self._written(connection, statement, parameters, self._statements.node_by["uuid"])

    def _written(
        self, connection: Connection, statement: Update, parameters: Mapping[str, Any], reread: Select[Any]
    ) -> Sequence[Any] | None:
        """The record that an update has written, or None where its conditions did not hold."""
        compiled = self._database.compiled
        if self._statements.returning:
            return compiled.first(connection, statement, parameters)
        if compiled.run(connection, statement, parameters) == 0:
            return None
        return compiled.first(connection, reread, {"ident": parameters["ident"]})

    def _refusal(
        self, connection: Connection, uuid: str, fence: Fence | None, now: datetime, revision: int | None = None
    ) -> BareMetalError:
        """Why a node was not written."""
        node = self._lease(connection, self._statements.node_lease, uuid)
        if node is None:
            return node_not_found_error(uuid)
        require_writable(node, fence, now)
        require_revision("node", uuid, node["revision"], revision)
        return RevisionConflict(f"node {uuid} was changed by another process at the same time: try again", uuid=uuid)

    # Leases

    @retry_on_conflict
    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take a free or expired lease, and read the node under it."""
        lease = {
            "lease_holder": NODE_FIELDS.by_name["lease_holder"].encode(holder),
            "lease_purpose": NODE_FIELDS.by_name["lease_purpose"].encode(purpose),
        }
        with self._database.writing() as connection:
            now = self._clock.now()
            lease |= {"lease_since": now, "lease_expires_at": compute_expiry(now, duration)}
            void = compute_expiry_cutoff(now, grace)
            row = self._written_node(connection, self._statements.take_lease, _written_as(uuid, None, void) | new_values(lease))
            if row is None:
                raise self._refusal(connection, uuid, None, void)
            node = _NODES.read_record(row)
            self._tell(connection, lambda: [draft_lease(node, now)])
        return build_lease(vars(node)), node

    @retry_on_conflict
    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Let leases expire *duration* seconds from now; give back those that were still held."""
        wanted, renewed = set(fences), []
        by_holder = groupby(sorted(fences, key=lambda one: (one.holder, one.node_uuid)), key=lambda one: one.holder)
        with self._database.writing() as connection:
            now = self._clock.now()
            given = {"moment": now, **new_values({"lease_expires_at": compute_expiry(now, duration)})}
            for holder, held in by_holder:
                nodes = [fence.node_uuid for fence in held]
                for begin in range(0, len(nodes), _RENEWED_AT_ONCE):
                    some = nodes[begin : begin + _RENEWED_AT_ONCE]
                    rows = self._renewed(connection, {**given, "holder": holder, "idents": some})
                    renewed += [build_lease(row._mapping) for row in rows]
        return [lease for lease in renewed if lease.fence in wanted]

    def _renewed(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any]:
        result = connection.execute(self._statements.renew_leases, given)
        if self._statements.returning:
            return result.all()
        return connection.execute(self._statements.renewed_leases, given).all()

    @retry_on_conflict
    def release_lease(self, fence: Fence) -> None:
        """Give a lease back."""
        parameters = {"ident": fence.node_uuid, "holder": fence.holder, "fenced": fence.epoch}
        self._end_leases(self._statements.release_lease, parameters)

    @retry_on_conflict
    def expire_leases(self, holder: str) -> int:
        """Let every lease of a dead holder expire now."""
        return self._end_leases(self._statements.expire_leases, {"holder": holder})

    def _end_leases(self, ending: ReturningWrite, parameters: Mapping[str, Any]) -> int:
        with self._database.writing() as connection:
            nodes, count = self._end(connection, ending, parameters)
            now = self._clock.now()
            self._tell(connection, lambda: [draft_release(node, now) for node in nodes])
        return count

    # Ports

    @retry_on_conflict
    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port of a node."""
        require_fence_of(port.node_uuid, fence)
        require_uuid("uuid", port.uuid)
        stored = PORT_FIELDS.encode_record(port)
        stored.update(updated_at=None, revision=0)
        with self._database.writing() as connection, raise_duplicates("port", self._schema.ports, stored):
            now = self._clock.now()
            node = self._lease(connection, self._statements.node_lease_shared, port.node_uuid)
            if node is None:
                raise node_not_found_error(port.node_uuid)
            require_writable(node, fence, now)
            stored["created_at"] = now
            connection.execute(self._statements.insert_port, stored)
        return _PORTS.read_record(list(stored.values()))

    @retry_on_conflict
    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """The port with this UUID, MAC address or name."""
        field, value = port_key(ident)
        statement = self._statements.port_by[field]
        if visible := visible_ports(self._schema.ports, self._schema.nodes, scope):
            statement = statement.where(*visible)
        with self._database.reading() as connection:
            row = connection.execute(statement, {"ident": value}).first()
        if row is None:
            raise port_not_found_error(ident)
        return _PORTS.read_record(row)

    @retry_on_conflict
    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of ports."""
        visible = visible_ports(self._schema.ports, self._schema.nodes, scope)
        conditions = visible + owning_node_conditions(self._schema.ports, self._schema.nodes, query)
        return self._page(Listing(self._schema.ports, PORT_FIELDS, query, conditions), PORT_FIELDS, query, visible)

    @retry_on_conflict
    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port and give it back as it is then."""
        stored = PORT_FIELDS.encode_changes(changes)
        statement = self._statements.update_port(tuple(sorted(stored)))
        with self._database.writing() as connection, raise_duplicates("port", self._schema.ports, stored):
            now = self._clock.now()
            current = self._writable_port(connection, uuid, fence, now)
            require_revision("port", uuid, current, revision)
            parameters = {"ident": uuid} | _changed(stored, now)
            row = self._written(connection, statement, parameters, self._statements.port_by["uuid"])
        if row is None:
            raise port_not_found_error(uuid)
        return _PORTS.read_record(row)

    @retry_on_conflict
    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port."""
        with self._database.writing() as connection:
            self._writable_port(connection, uuid, fence, self._clock.now())
            connection.execute(self._statements.delete_port, {"ident": uuid})

    def _writable_port(self, connection: Connection, uuid: str, fence: Fence | None, now: datetime) -> int:
        """The revision of a port that may be written; it stays so until the transaction ends."""
        node = self._lease(connection, self._statements.port_lease, uuid)
        if node is None:
            raise port_not_found_error(uuid)
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
