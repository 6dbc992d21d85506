"""Ports: creating, changing and deleting them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from baremetal_sdk import provision
from baremetal_sdk.errors import InvalidState
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import PortRecord


class Ports:
    """The ports of a conductor's nodes. A port is changed only while nobody holds its node."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @rpc_method("1.0")
    def create_port(self, values: Mapping[str, Any]) -> PortRecord:
        """Store a new port."""
        complete = {"uuid": str(uuid.uuid4()), **values}
        return self._store.create_port(PortRecord(**complete), fence=None)

    @rpc_method("1.0")
    def update_port(self, port: str, changes: Mapping[str, Any]) -> PortRecord:
        """Change fields of a port."""
        return self._store.update_port(port, changes, fence=None)

    @rpc_method("1.0")
    def delete_port(self, port: str) -> None:
        """Delete a port, unless its node carries an instance that may use it."""
        record = self._store.port(port)
        node = self._store.node(record.node_uuid)
        if (
            node.instance_uuid is not None
            and not node.maintenance
            and node.provision_state not in (provision.ENROLL, provision.MANAGEABLE)
        ):
            raise InvalidState(f"port {record.uuid} belongs to node {node.uuid}, which carries an instance; undeploy it first")
        self._store.delete_port(record.uuid, fence=None)
