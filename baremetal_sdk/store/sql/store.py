"""Store in an SQL database: SQLite, PostgreSQL or MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Select, Update, func, select

from baremetal_interfaces import BareMetalError
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import RevisionConflict, StoreUnavailable
from baremetal_sdk.store.leases import (
    build_lease,
    compute_expiry,
    compute_expiry_cutoff,
    require_fence_of,
    require_no_fence,
    require_revision,
    require_writable,
)
from baremetal_sdk.store.outbox import (
    EventDraft,
    draft_changes,
    draft_creation,
    draft_deletion,
    draft_lease,
    draft_release,
)
from baremetal_sdk.store.records.fields import LEASE_FIELDS, NODE_FIELDS, require_uuid
from baremetal_sdk.store.records.identifiers import parse_node_ident
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord, NodeUpdate, NodeVersion
from baremetal_sdk.store.records.query import NodeQuery, Row, Scope
from baremetal_sdk.store.refusals import node_not_found_error
from baremetal_sdk.store.sealed_columns import SealedColumns
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.store.sql.conductors import SQLConductors
from baremetal_sdk.store.sql.engine import DEFAULT_CONNECTIONS, Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.listing import Listing, node_query_conditions, visible_node_shares, visible_nodes
from baremetal_sdk.store.sql.outbox import SQLOutbox
from baremetal_sdk.store.sql.ports import SQLPorts
from baremetal_sdk.store.sql.schema import DEFAULT_PREFIX, StoreSchema
from baremetal_sdk.store.sql.sealing import RowSealing
from baremetal_sdk.store.sql.statements import ReturningWrite, Statements, condition_parameters, new_value_parameters
from baremetal_sdk.store.sql.unique_conflicts import raise_duplicates
from baremetal_sdk.store.sql.upgrade import ensure_current

_RENEWAL_BATCH_SIZE = 500
"""Maximum number of leases that one statement renews, which limits the number of its parameters."""
_NEW_NODE = {"updated_at": None, "epoch": 0, "revision": 0, **dict.fromkeys(LEASE_FIELDS)}


class SQLStore(SQLConductors, SQLPorts):
    """Implementation of the ``Store`` protocol in an SQL database.

    *url* is an SQLAlchemy URL. Table names begin with *table_prefix*, so a host application can keep the tables in its own
    database; the tables have their own schema version. *connections* limits the connections to a database server. *events*
    enables the outbox. *secrets* encrypts secrets in the columns; without it, they are stored in clear. Errors of the database
    are raised as ``StoreUnavailable``.

    On SQLite, a method that writes returns after the change is on the disk, so that it survives a power failure. Methods that
    write at the same time share one flush of the disk. Without *sqlite_synchronous*, they do not wait for the disk: a change
    survives the end of the process, but a power failure may lose the last changes.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        table_prefix: str = DEFAULT_PREFIX,
        connections: int = DEFAULT_CONNECTIONS,
        events: bool = True,
        sqlite_synchronous: bool = True,
        secrets: SecretBox | None = None,
    ) -> None:
        database = Database(url, connections=connections, sqlite_synchronous=sqlite_synchronous)
        super().__init__(database, StoreSchema(table_prefix), clock or SystemClock(), SealedColumns(secrets))
        self._opening = Lock()
        self.outbox = SQLOutbox(self._database, self._schema, self._clock, enabled=events)
        """Events about nodes, written in the transaction of each change."""
        self._statements = Statements(self._schema, returning=False)

    def __repr__(self) -> str:
        return f"SQLStore({self._database!r})"

    @property
    def problem(self) -> StoreUnavailable | None:
        """The error of a database that is known to be away (``StoreUnavailable``) or full (``StoreFull``), or None."""
        return self._database.problem

    def open(self) -> None:
        """Connect, and create or upgrade the tables. Do nothing if the store is open."""
        with self._opening:
            if self._database.is_open:
                return
            self._database.open()
            try:
                self._upgrade()
            except BaseException:
                self._database.close()
                raise
            # SQLAlchemy learns from the first connection whether this version of the database supports RETURNING.
            dialect = self._database.engine.dialect
            self._statements = Statements(
                self._schema,
                returning=dialect.update_returning,
                delete_returning=dialect.delete_returning,
                with_events=self.outbox.enabled,
            )

    def seal_with(self, box: SecretBox) -> None:
        """Encrypt secrets with *box* from now on, unless the store has a box. In an open store, seal the rows that exist."""
        with self._opening:
            if self._sealed.box is not None:
                return
            self._sealed.box = box
            if self._database.is_open:
                self._upgrade()

    def renew_seals(self) -> int:
        """Encrypt the secrets in columns again that were not encrypted with the first key, and return the number of rows."""
        return RowSealing(self._database, self._schema, self._sealed).renew_all()

    def count_sealed_rows(self, is_counted: Callable[[bytes], bool]) -> Mapping[str, int]:
        """Return the number of rows, by the kind of record, with a sealed secret for which *is_counted* returns True."""
        return RowSealing(self._database, self._schema, self._sealed).count_rows(is_counted)

    def _upgrade(self) -> None:
        sealing = RowSealing(self._database, self._schema, self._sealed)
        ensure_current(self._database, self._schema, sealing.seal_all if self._sealed.box is not None else None)

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        self._database.close()

    # Nodes

    @retry_on_conflict
    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node and return it. Raises as :meth:`Store.create_node`."""
        require_no_fence(fence)
        require_uuid("uuid", node.uuid)
        stored = self._sealed.seal(NODE_FIELDS, NODE_FIELDS.encode_record(node))
        stored.update(_NEW_NODE)
        with self._database.writing() as connection, raise_duplicates("node", self._schema.nodes, stored):
            # The clock is read after the wait for the write lock, which can take long.
            stored["created_at"] = now = self._clock.now()
            self._database.compiled.run(connection, self._statements.insert_node, stored)
            created = self._read_stored(NODE_FIELDS, stored)
            self._write_events(connection, lambda: draft_creation(created, now))
        return created

    @retry_on_conflict
    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """Return the node with the UUID or name *ident*. Raises ``NodeNotFound``."""
        return self._reader(NODE_FIELDS).read_record(self._read_node(self._statements.node_by, ident, scope))

    @retry_on_conflict
    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """Return the version of the node with the UUID or name *ident*. Raises ``NodeNotFound``."""
        return NodeVersion._make(self._read_node(self._statements.node_version_by, ident, scope))

    def _read_node(self, statements: Mapping[str, Select[Any]], ident: str, scope: Scope) -> Sequence[Any]:
        """Return the database row of the node *ident*. *statements* maps a unique column to the query by that column.

        Raises ``NodeNotFound``.
        """
        field, value = parse_node_ident(ident)
        statement = statements[field]
        visible = visible_nodes(self._schema.nodes, scope)
        with self._database.reading() as connection:
            if visible:
                # The conditions of a scope make a new statement each time, which must not fill the statement cache.
                row: Sequence[Any] | None = connection.execute(statement.where(*visible), {"ident": value}).first()
            else:
                row = self._database.compiled.first(connection, statement, {"ident": value})
        if row is None:
            raise node_not_found_error(ident)
        return row

    @retry_on_conflict
    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of nodes that *query* selects."""
        table = self._schema.nodes
        listing = Listing(table, NODE_FIELDS, query, node_query_conditions(table, query), visible_node_shares(table, scope))
        return self._page(listing, NODE_FIELDS, query, visible_nodes(table, scope))

    @retry_on_conflict
    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Return each shard with its number of nodes, ordered by name. None stands for nodes without a shard."""
        nodes = self._schema.nodes
        counts = select(nodes.c.shard, func.count()).where(*visible_nodes(nodes, scope)).group_by(nodes.c.shard)
        with self._database.reading() as connection:
            rows = connection.execute(counts).all()
        return sorted(((shard, count) for shard, count in rows), key=lambda pair: pair[0] or "")

    @retry_on_conflict
    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Return each provision state that nodes have, with its number of nodes."""
        state = self._schema.nodes.c.provision_state
        with self._database.reading() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state).order_by(state)).all()
        return [(name, count) for name, count in rows]

    @retry_on_conflict
    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes* to a node and return it. Raises as :meth:`Store.update_node`."""
        require_fence_of(uuid, fence)
        stored = self._sealed.seal(NODE_FIELDS, NODE_FIELDS.encode_changes(changes))
        # Sorted, so that the same set of columns finds the same cached statement.
        statement = self._statements.update_node(tuple(sorted(stored)), fence is not None, revision is not None, release)
        with self._database.writing() as connection, raise_duplicates("node", self._schema.nodes, stored):
            now = self._clock.now()
            parameters = condition_parameters(uuid, fence, now)
            parameters |= new_value_parameters({**stored, "updated_at": now})
            if revision is not None:
                parameters["expected_revision"] = revision
            row = self._update_node(connection, statement, parameters)
            if row is None:
                raise self._explain_refused_write(connection, uuid, fence, now, revision)
            node = self._reader(NODE_FIELDS).read_record(row)
            self._write_events(connection, lambda: draft_changes(changes, node, now, release))
        return node

    @retry_on_conflict
    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Make conditional writes to several nodes in one transaction.

        Return each written node, or None if its condition did not hold.
        """
        nodes: list[NodeRecord | None] = [None] * len(updates)
        with self._database.writing() as connection:
            now = self._clock.now()
            # All callers lock nodes in the order of their UUIDs, so two transactions cannot wait for each other.
            for index, update in sorted(enumerate(updates), key=lambda pair: pair[1].node_uuid):
                stored = self._sealed.seal(NODE_FIELDS, NODE_FIELDS.encode_changes(update.changes))
                statement = self._statements.update_node(tuple(sorted(stored)), False, True, False)
                parameters = condition_parameters(update.node_uuid, None, now)
                parameters |= new_value_parameters({**stored, "updated_at": now})
                parameters["expected_revision"] = update.revision
                row = self._update_node(connection, statement, parameters)
                if row is not None:
                    nodes[index] = self._reader(NODE_FIELDS).read_record(row)

            def drafts() -> list[EventDraft]:
                written = [(update, node) for update, node in zip(updates, nodes, strict=True) if node is not None]
                return [draft for update, node in written for draft in draft_changes(update.changes, node, now)]

            self._write_events(connection, drafts)
        return nodes

    @retry_on_conflict
    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node and all records that belong to it. Raises ``LeaseLost`` or ``NodeLocked`` if its lease forbids that."""
        require_fence_of(uuid, fence)
        with self._database.writing() as connection:
            now = self._clock.now()
            statement = self._statements.delete_node[fence is not None]
            deleted, count = self._run_returning(connection, statement, condition_parameters(uuid, fence, now))
            if count == 0:
                raise self._explain_refused_write(connection, uuid, fence, now)
            self._write_events(connection, lambda: [draft_deletion(row, now) for row in deleted])

    def _run_returning(
        self, connection: Connection, statement: ReturningWrite, parameters: Mapping[str, Any]
    ) -> tuple[Sequence[Any], int]:
        """Run a statement that deletes nodes or ends leases. Return the affected nodes and their number.

        The nodes are rows with the columns ``EVENT_NODE_COLUMNS``. The rows are missing if the outbox is disabled.
        """
        compiled = self._database.compiled
        if statement.returns_rows:
            rows = compiled.rows(connection, statement.write, parameters)
            return rows, len(rows)
        rows = []
        if statement.select_first is not None:
            rows = compiled.rows(connection, statement.select_first, parameters)
        return rows, compiled.run(connection, statement.write, parameters)

    def _write_events(self, connection: Connection, drafts: Callable[[], Sequence[EventDraft]]) -> None:
        """Write the events that *drafts* returns in the transaction of the change. Do nothing if the outbox is disabled."""
        if self.outbox.enabled:
            self.outbox.write(connection, drafts())

    def _update_node(self, connection: Connection, statement: Update, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        return self._update_and_fetch(connection, statement, parameters, self._statements.node_by["uuid"])

    def _explain_refused_write(
        self, connection: Connection, uuid: str, fence: Fence | None, now: datetime, revision: int | None = None
    ) -> BareMetalError:
        """Return or raise the error for a write to a node that affected no row, because its conditions did not hold.

        The node is read again in the same transaction to find the cause: deletion, a lease or another revision.
        """
        node = self._read_lease(connection, self._statements.node_lease, uuid)
        if node is None:
            return node_not_found_error(uuid)
        require_writable(node, fence, now)
        require_revision("node", uuid, node["revision"], revision)
        # The conditions hold at this read, so another transaction changed the node between the write and the read.
        return RevisionConflict(f"node {uuid} was changed by another process at the same time; try again", uuid=uuid)

    # Leases

    @retry_on_conflict
    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take the lease of a node that is free or whose lease has expired *grace* seconds ago. Return it with the node.

        Raises ``NodeLocked``.
        """
        lease = {
            "lease_holder": NODE_FIELDS.by_name["lease_holder"].encode(holder),
            "lease_purpose": NODE_FIELDS.by_name["lease_purpose"].encode(purpose),
        }
        with self._database.writing() as connection:
            now = self._clock.now()
            lease |= {"lease_since": now, "lease_expires_at": compute_expiry(now, duration)}
            # Compared with the expiry in place of the current time: a lease stays taken until its grace period has passed.
            cutoff = compute_expiry_cutoff(now, grace)
            parameters = condition_parameters(uuid, None, cutoff) | new_value_parameters(lease)
            row = self._update_node(connection, self._statements.take_lease, parameters)
            if row is None:
                raise self._explain_refused_write(connection, uuid, None, cutoff)
            node = self._reader(NODE_FIELDS).read_record(row)
            self._write_events(connection, lambda: [draft_lease(node, now)])
        return build_lease(vars(node)), node

    @retry_on_conflict
    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Extend those leases of *fences* that are still held to *duration* seconds from now, and return them."""
        renewed: list[Lease] = []
        # By holder for groupby, and by node so that all processes renew, and lock, nodes in the same order.
        ordered = sorted(fences, key=lambda fence: (fence.holder, fence.node_uuid))
        with self._database.writing() as connection:
            now = self._clock.now()
            times = {"now": now, **new_value_parameters({"lease_expires_at": compute_expiry(now, duration)})}
            for holder, held in groupby(ordered, key=lambda fence: fence.holder):
                uuids = [fence.node_uuid for fence in held]
                for begin in range(0, len(uuids), _RENEWAL_BATCH_SIZE):
                    batch = uuids[begin : begin + _RENEWAL_BATCH_SIZE]
                    rows = self._renew_batch(connection, {**times, "holder": holder, "idents": batch})
                    renewed += [build_lease(row._mapping) for row in rows]
        # The statement compares holders only. The same holder may have taken a node again, under a later epoch than the fence's.
        wanted = set(fences)
        return [lease for lease in renewed if lease.fence in wanted]

    def _renew_batch(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        result = connection.execute(self._statements.renew_leases, parameters)
        if self._statements.returning:
            return result.all()
        return connection.execute(self._statements.renewed_leases, parameters).all()

    @retry_on_conflict
    def release_lease(self, fence: Fence) -> None:
        """Release the lease of *fence*. Do nothing if it is no longer held."""
        parameters = {"ident": fence.node_uuid, "holder": fence.holder, "fence_epoch": fence.epoch}
        self._end_leases(self._statements.release_lease, parameters)

    @retry_on_conflict
    def expire_leases(self, holder: str) -> int:
        """End all leases of *holder*, whose process has ended, and return their number."""
        return self._end_leases(self._statements.expire_leases, {"holder": holder})

    def _end_leases(self, statement: ReturningWrite, parameters: Mapping[str, Any]) -> int:
        with self._database.writing() as connection:
            nodes, count = self._run_returning(connection, statement, parameters)
            now = self._clock.now()
            self._write_events(connection, lambda: [draft_release(node, now) for node in nodes])
        return count
