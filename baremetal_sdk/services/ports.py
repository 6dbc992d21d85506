"""RPC methods for the network ports of nodes: creation, changes and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from baremetal_interfaces import Conflict, InvalidInput, NotFound, Problem
from baremetal_sdk.rpc.argument_types import check_fields
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.physical_networks import join_network
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import PortgroupRecord
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.store.revisions import retry_on_revision_conflict
from baremetal_sdk.update_rules.rules import Change
from baremetal_sdk.update_rules.table import PORT_DELETE, PORT_UPDATE


class Ports:
    """RPC service for the network ports of a conductor's nodes. Changes raise ``NodeLocked`` while a task holds the node."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @rpc_method("1.0")
    def create_port(self, values: Mapping[str, Any]) -> PortRecord:
        """Store a new port with the fields *values* and return it. Raises an error if its port group does not fit."""
        check_fields(PortRecord, values, complete=True)
        port = PortRecord(**{"uuid": str(uuid.uuid4()), **values})
        group = self._find_group(port)
        if group is not None:
            # As in Ironic, only a new port whose creator asks for network boot is refused. Its default is no conflict.
            if values.get("pxe_enabled") and not group.standalone_ports_supported:
                raise Conflict(
                    f"pxe_enabled: port group {group.uuid} doesn't support standalone ports, so its ports cannot boot over the "
                    "network alone; set pxe_enabled=false"
                )
            join_network(self._store, port, group)
        return self._store.create_port(port, fence=None)

    @rpc_method("1.1")
    def update_port(self, port: str, changes: Mapping[str, Any], revision: int | None = None) -> PortRecord:
        """Change fields of a port and return it. Raises ``InvalidState`` if the state of the node forbids the change.

        Raises ``RevisionConflict`` if *revision* is given and the port has another one.
        """
        check_fields(PortRecord, changes)
        if revision is not None:
            return self._update_once(port, changes, revision)
        return retry_on_revision_conflict(lambda: self._update_once(port, changes, None))

    def _update_once(self, port: str, changes: Mapping[str, Any], revision: int | None) -> PortRecord:
        before = self._store.port(port)
        node = self._store.node(before.node_uuid)
        values = {name: value for name, value in changes.items() if value != getattr(before, name)}
        PORT_UPDATE.check(Change(node=node, record=before, values=values))
        if not values.keys().isdisjoint(("portgroup_uuid", "physical_network")):
            port_after = replace(before, **changes)
            group = self._find_group(port_after)
            if group is not None:
                join_network(self._store, port_after, group)
        expected = before.revision if revision is None else revision
        return self._store.update_port(before.uuid, changes, fence=None, revision=expected)

    @rpc_method("1.0")
    def delete_port(self, port: str) -> None:
        """Delete a port. Raises ``InvalidState`` if its node has an instance that may use the port."""
        record = self._store.port(port)
        node = self._store.node(record.node_uuid)
        PORT_DELETE.check(Change(node=node, record=record))
        self._store.delete_port(record.uuid, fence=None)

    def _find_group(self, port: PortRecord) -> PortgroupRecord | None:
        """Return the port group of *port*, if it has one. Raises ``InvalidInput`` unless the group belongs to the port's node."""
        if port.portgroup_uuid is None:
            return None
        try:
            group: PortgroupRecord | None = self._store.record(PortgroupRecord, port.portgroup_uuid)
        except NotFound:
            group = None
        if group is None or group.node_uuid != port.node_uuid:
            # One text for both cases: the client may not be allowed to see groups of other nodes.
            problem = f"the port's node has no port group {port.portgroup_uuid}"
            raise InvalidInput([Problem("portgroup_uuid", problem, "use one of its port groups")])
        return group
