"""Network ports of the SQL store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Update

from baremetal_sdk.store.leases import require_fence_of, require_revision, require_writable
from baremetal_sdk.store.records.fields import PORT_FIELDS, require_uuid
from baremetal_sdk.store.records.identifiers import parse_port_ident
from baremetal_sdk.store.records.node import Fence, PortRecord
from baremetal_sdk.store.records.query import Query, Row, Scope
from baremetal_sdk.store.refusals import node_not_found_error, port_not_found_error
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.listing import Listing, owning_node_conditions, visible_ports
from baremetal_sdk.store.sql.records import SQLRecords
from baremetal_sdk.store.sql.statements import Statements, new_value_parameters
from baremetal_sdk.store.sql.unique_conflicts import raise_duplicates


class SQLPorts(SQLRecords):
    """Base class of the SQL store: the methods of the ``Store`` protocol for ports."""

    _statements: Statements

    @retry_on_conflict
    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port of a node and return it. Raises as :meth:`Store.create_port`."""
        require_fence_of(port.node_uuid, fence)
        require_uuid("uuid", port.uuid)
        stored = self._sealed.seal(PORT_FIELDS, PORT_FIELDS.encode_record(port))
        stored.update(updated_at=None, revision=0)
        with self._database.writing() as connection, raise_duplicates("port", self._schema.ports, stored):
            now = self._clock.now()
            # The port's row cannot carry the check of the lease, so the node's row is locked until the commit.
            node = self._read_lease(connection, self._statements.node_lease_shared, port.node_uuid)
            if node is None:
                raise node_not_found_error(port.node_uuid)
            require_writable(node, fence, now)
            stored["created_at"] = now
            connection.execute(self._statements.insert_port, stored)
        return self._read_stored(PORT_FIELDS, stored)

    @retry_on_conflict
    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """Return the port with the UUID, MAC address or name *ident*. Raises ``PortNotFound``."""
        field, value = parse_port_ident(ident)
        statement = self._statements.port_by[field]
        visible = visible_ports(self._schema.ports, self._schema.nodes, scope)
        if visible:
            statement = statement.where(*visible)
        with self._database.reading() as connection:
            row = connection.execute(statement, {"ident": value}).first()
        if row is None:
            raise port_not_found_error(ident)
        return self._reader(PORT_FIELDS).read_record(row)

    @retry_on_conflict
    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of ports that *query* selects."""
        visible = visible_ports(self._schema.ports, self._schema.nodes, scope)
        conditions = visible + owning_node_conditions(self._schema.ports, self._schema.nodes, query)
        return self._page(Listing(self._schema.ports, PORT_FIELDS, query, conditions), PORT_FIELDS, query, visible)

    @retry_on_conflict
    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port and return it. Raises as :meth:`Store.update_port`."""
        stored = self._sealed.seal(PORT_FIELDS, PORT_FIELDS.encode_changes(changes))
        statement = self._statements.update_port(tuple(sorted(stored)))
        with self._database.writing() as connection, raise_duplicates("port", self._schema.ports, stored):
            now = self._clock.now()
            current_revision = self._lock_writable_port(connection, uuid, fence, now)
            require_revision("port", uuid, current_revision, revision)
            parameters = {"ident": uuid} | new_value_parameters({**stored, "updated_at": now})
            row = self._update_and_fetch(connection, statement, parameters, self._statements.port_by["uuid"])
        if row is None:
            raise port_not_found_error(uuid)
        return self._reader(PORT_FIELDS).read_record(row)

    @retry_on_conflict
    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port. Raises ``PortNotFound``, ``LeaseLost`` or ``NodeLocked``."""
        with self._database.writing() as connection:
            self._lock_writable_port(connection, uuid, fence, self._clock.now())
            connection.execute(self._statements.delete_port, {"ident": uuid})

    def _lock_writable_port(self, connection: Connection, uuid: str, fence: Fence | None, now: datetime) -> int:
        """Lock the rows of a port and its node until the transaction ends, and return the port's revision.

        Raises ``PortNotFound``, and ``LeaseLost`` or ``NodeLocked`` if the node may not be written under *fence*.
        """
        node = self._read_lease(connection, self._statements.port_lease, uuid)
        if node is None:
            raise port_not_found_error(uuid)
        require_fence_of(node["uuid"], fence)
        require_writable(node, fence, now)
        revision: int = node["port_revision"]
        return revision

    def _update_and_fetch(
        self, connection: Connection, statement: Update, parameters: Mapping[str, Any], select_by_uuid: Select[Any]
    ) -> Sequence[Any] | None:
        """Run an UPDATE of one record, and return the written row, or None if the conditions of the UPDATE did not hold.

        *select_by_uuid* reads the row again on databases without ``UPDATE ... RETURNING``. The transaction holds the row's
        lock by then, so it reads what it wrote.
        """
        compiled = self._database.compiled
        if self._statements.returning:
            return compiled.first(connection, statement, parameters)
        if compiled.run(connection, statement, parameters) == 0:
            return None
        return compiled.first(connection, select_by_uuid, {"ident": parameters["ident"]})
