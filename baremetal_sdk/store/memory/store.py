"""Store in the memory of the process, for tests and for host applications with their own inventory of nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_interfaces import NodeLocked
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import NodeNotFound, RevisionConflict
from baremetal_sdk.store.leases import (
    build_lease,
    compute_expiry,
    compute_expiry_cutoff,
    is_held,
    is_held_under,
    node_locked_error,
    require_fence_of,
    require_no_fence,
    require_revision,
    require_writable,
)
from baremetal_sdk.store.memory.outbox import MemoryOutbox
from baremetal_sdk.store.memory.records import MemoryRecords, is_visible
from baremetal_sdk.store.outbox import (
    EVENT_NODE_COLUMNS,
    EventDraft,
    draft_changes,
    draft_creation,
    draft_deletion,
    draft_lease,
    draft_release,
)
from baremetal_sdk.store.records.fields import (
    CONDUCTOR_FIELDS,
    LEASE_FIELDS,
    NODE_FIELDS,
    PORT_FIELDS,
    StoredRecord,
    require_uuid,
)
from baremetal_sdk.store.records.identifiers import parse_node_ident, parse_port_ident
from baremetal_sdk.store.records.node import ConductorRecord, Fence, Lease, NodeRecord, NodeUpdate, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.store.refusals import conductor_not_found_error, node_not_found_error, port_not_found_error

_NO_LEASE = dict.fromkeys(LEASE_FIELDS)


class MemoryStore(MemoryRecords):
    """Implementation of the ``Store`` protocol in memory. Thread-safe: one lock guards all data.

    Returned values are copies. The data exists as long as this object, also after ``close``.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock or SystemClock())
        self._conductors: dict[str, StoredRecord] = {}
        self.outbox = MemoryOutbox(self._clock, self._lock)
        """Events about nodes."""

    def open(self) -> None:
        """Do nothing: a store in memory is always open."""

    def close(self) -> None:
        """Do nothing: the data remains."""

    # Nodes

    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node and return it. Raises as :meth:`Store.create_node`."""
        require_no_fence(fence)
        require_uuid("uuid", node.uuid)
        now = self._clock.now()
        new = {"created_at": now, "updated_at": None, "epoch": 0, "revision": 0, **_NO_LEASE}
        stored = {**NODE_FIELDS.encode_record(node), **new}
        created = NODE_FIELDS.decode_record(stored)
        with self._lock:
            self._nodes.insert(stored)
            self.outbox.write(draft_creation(created, now))
        return created

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """Return the node with the UUID or name *ident*. Raises ``NodeNotFound``."""
        with self._lock:
            stored = self._nodes.find(*parse_node_ident(ident))
        if stored is None or not is_visible(stored, scope):
            raise node_not_found_error(ident)
        return NODE_FIELDS.decode_record(stored)

    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """Return the version of the node with the UUID or name *ident*. Raises ``NodeNotFound``."""
        node = self.node(ident, scope=scope)
        return NodeVersion(*(getattr(node, name) for name in NodeVersion._fields))

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of nodes that *query* selects."""
        with self._lock:
            return self._nodes.list_page(query, lambda node: is_visible(node, scope), lambda node: _matches(node, query))

    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Return each shard with its number of nodes, ordered by name. None stands for nodes without a shard."""
        with self._lock:
            rows = self._nodes.list_page(NodeQuery(fields=("shard",)), lambda node: is_visible(node, scope), lambda node: True)
        return sorted(Counter(row["shard"] for row in rows).items(), key=lambda pair: pair[0] or "")

    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Return each provision state that nodes have, with its number of nodes."""
        with self._lock:
            rows = self._nodes.list_page(NodeQuery(fields=("provision_state",)), lambda node: True, lambda node: True)
        return sorted(Counter(row["provision_state"] for row in rows).items())

    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes* to a node and return it. Raises as :meth:`Store.update_node`."""
        require_fence_of(uuid, fence)
        stored_changes = NODE_FIELDS.encode_changes(changes)
        with self._lock:
            node = self._require_writable_node(uuid, fence)
            require_revision("node", uuid, node["revision"], revision)
            stored = self._apply_changes(node, stored_changes) | (_NO_LEASE if release else {})
            self._nodes.replace(stored)
            written = NODE_FIELDS.decode_record(stored)
            self.outbox.write(draft_changes(changes, written, stored["updated_at"], release))
        return written

    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Make conditional writes to several nodes, all of them or, after an error, none.

        Return each written node, or None if its condition did not hold.
        """
        encoded = [NODE_FIELDS.encode_changes(update.changes) for update in updates]
        nodes: list[NodeRecord | None] = []
        drafts: list[EventDraft] = []
        replaced: list[StoredRecord] = []
        with self._lock:
            try:
                for update, stored_changes in zip(updates, encoded, strict=True):
                    before = self._find_unchanged(update)
                    if before is None:
                        nodes.append(None)
                        continue
                    stored = self._apply_changes(before, stored_changes)
                    self._nodes.replace(stored)
                    replaced.append(before)
                    node = NODE_FIELDS.decode_record(stored)
                    nodes.append(node)
                    drafts += draft_changes(update.changes, node, stored["updated_at"])
            except BaseException:
                for before in reversed(replaced):
                    self._nodes.replace(before)
                raise
            self.outbox.write(drafts)
        return nodes

    def _find_unchanged(self, update: NodeUpdate) -> StoredRecord | None:
        """Return the stored node of *update*, or None if it is held, has another revision, or does not exist."""
        try:
            node = self._require_writable_node(update.node_uuid, None)
            require_revision("node", update.node_uuid, node["revision"], update.revision)
        except (NodeNotFound, NodeLocked, RevisionConflict):
            return None
        return node

    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node and all records that belong to it. Raises ``LeaseLost`` or ``NodeLocked`` if its lease forbids that."""
        require_fence_of(uuid, fence)
        with self._lock:
            node = self._require_writable_node(uuid, fence)
            self._nodes.delete(uuid)
            # Written under the lock, so that the events of a node are in the order of its changes.
            self.outbox.write([draft_deletion(_event_values(node), self._clock.now())])
            for port in self._ports.find_all("node_uuid", uuid):
                self._ports.delete(port["uuid"])
            self._delete_records_of(uuid)

    def _require_writable_node(self, uuid: str, fence: Fence | None) -> StoredRecord:
        node = self._existing_node(uuid)
        require_writable(node, fence, self._clock.now())
        return node

    # Leases

    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take the lease of a node that is free or whose lease has expired *grace* seconds ago. Return it with the node.

        Raises ``NodeLocked``.
        """
        held = {"lease_holder": NODE_FIELDS.by_name["lease_holder"].encode(holder)}
        held["lease_purpose"] = NODE_FIELDS.by_name["lease_purpose"].encode(purpose)
        with self._lock:
            now = self._clock.now()
            node = self._existing_node(uuid)
            # A lease stays taken until its grace period has passed.
            cutoff = compute_expiry_cutoff(now, grace)
            if is_held(node, cutoff):
                raise node_locked_error(node, cutoff)
            times = {"lease_since": now, "lease_expires_at": compute_expiry(now, duration)}
            # The revision stays: a lease is no change that clients have to read again.
            stored = {**node, **held, **times, "epoch": node["epoch"] + 1}
            self._nodes.replace(stored)
            leased = NODE_FIELDS.decode_record(stored)
            self.outbox.write([draft_lease(leased, now)])
        return build_lease(stored), leased

    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Extend those leases of *fences* that are still held to *duration* seconds from now, and return them."""
        renewed: list[Lease] = []
        with self._lock:
            now = self._clock.now()
            expires_at = compute_expiry(now, duration)
            for fence in fences:
                node = self._nodes.get(fence.node_uuid)
                if node is not None and is_held_under(node, fence, now):
                    stored = {**node, "lease_expires_at": expires_at}
                    self._nodes.replace(stored)
                    renewed.append(build_lease(stored))
        return renewed

    def release_lease(self, fence: Fence) -> None:
        """Release the lease of *fence*. Do nothing if it is no longer held."""
        with self._lock:
            node = self._nodes.get(fence.node_uuid)
            # A late release must not end the lease of the next holder.
            if node is not None and node["lease_holder"] == fence.holder and node["epoch"] == fence.epoch:
                self._end_lease(node)

    def expire_leases(self, holder: str) -> int:
        """End all leases of *holder*, whose process has ended, and return their number."""
        with self._lock:
            held = self._nodes.find_all("lease_holder", holder)
            for node in held:
                self._end_lease(node)
        return len(held)

    def _end_lease(self, node: StoredRecord) -> None:
        self._nodes.replace({**node, **_NO_LEASE})
        self.outbox.write([draft_release(_event_values(node), self._clock.now())])

    # Ports

    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port of a node and return it. Raises as :meth:`Store.create_port`."""
        require_fence_of(port.node_uuid, fence)
        require_uuid("uuid", port.uuid)
        stored = {**PORT_FIELDS.encode_record(port), "created_at": self._clock.now(), "updated_at": None, "revision": 0}
        with self._lock:
            self._require_writable_node(port.node_uuid, fence)
            self._ports.insert(stored)
        return PORT_FIELDS.decode_record(stored)

    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """Return the port with the UUID, MAC address or name *ident*. Raises ``PortNotFound``."""
        with self._lock:
            stored = self._ports.find(*parse_port_ident(ident))
            if stored is None or not self._is_port_visible(stored, scope):
                raise port_not_found_error(ident)
        return PORT_FIELDS.decode_record(stored)

    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of ports that *query* selects."""
        with self._lock:
            return self._ports.list_page(query, lambda port: self._is_port_visible(port, scope), self._matches_node(query))

    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port and return it. Raises as :meth:`Store.update_port`."""
        stored_changes = PORT_FIELDS.encode_changes(changes)
        with self._lock:
            port = self._require_writable_port(uuid, fence)
            require_revision("port", uuid, port["revision"], revision)
            stored = self._apply_changes(port, stored_changes)
            self._ports.replace(stored)
        return PORT_FIELDS.decode_record(stored)

    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port. Raises ``PortNotFound``, ``LeaseLost`` or ``NodeLocked``."""
        with self._lock:
            self._require_writable_port(uuid, fence)
            self._ports.delete(uuid)

    def _require_writable_port(self, uuid: str, fence: Fence | None) -> StoredRecord:
        port = self._ports.get(uuid)
        if port is None:
            raise port_not_found_error(uuid)
        require_fence_of(port["node_uuid"], fence)
        self._require_writable_node(port["node_uuid"], fence)
        return port

    def _is_port_visible(self, port: StoredRecord, scope: Scope) -> bool:
        return scope.project is None or is_visible(self._existing_node(port["node_uuid"]), scope)

    # Conductors

    def register_conductor(self, conductor: ConductorRecord) -> ConductorRecord:
        """Store a conductor and its drivers, with the present time as its heartbeat, and return it."""
        stored = CONDUCTOR_FIELDS.encode_record(conductor)
        with self._lock:
            now = self._clock.now()
            before = self._conductors.get(conductor.hostname)
            created_at = now if before is None else before["created_at"]
            stored.update(heartbeat_at=now, updated_at=now, created_at=created_at)
            self._conductors[conductor.hostname] = stored
        return CONDUCTOR_FIELDS.decode_record(stored)

    def heartbeat(self, hostname: str, incarnation: str) -> None:
        """Store the present time as the conductor's heartbeat. Raises ``ConductorNotFound``."""
        with self._lock:
            stored = self._conductors.get(hostname)
            if stored is None or stored["incarnation"] != incarnation:
                raise conductor_not_found_error(hostname, incarnation)
            self._conductors[hostname] = {**stored, "heartbeat_at": self._clock.now()}

    def conductors(self) -> Sequence[ConductorRecord]:
        """Return all conductors, ordered by host name."""
        with self._lock:
            stored = [self._conductors[hostname] for hostname in sorted(self._conductors)]
        return [CONDUCTOR_FIELDS.decode_record(conductor) for conductor in stored]

    def unregister_conductor(self, hostname: str, incarnation: str) -> None:
        """Delete a conductor that stops. Do nothing if another incarnation has registered under its host name."""
        with self._lock:
            stored = self._conductors.get(hostname)
            if stored is not None and stored["incarnation"] == incarnation:
                del self._conductors[hostname]


def _event_values(node: StoredRecord) -> list[Any]:
    return [node[name] for name in EVENT_NODE_COLUMNS]


def _matches(node: StoredRecord, query: NodeQuery) -> bool:
    """Return whether a stored node meets the filters of *query* other than *where*, such as ``associated`` and ``traits``."""
    return (
        (query.associated is None or query.associated == (node["instance_uuid"] is not None))
        and (query.sharded is None or query.sharded == (node["shard"] is not None))
        and (query.include_children or node["parent_node"] is None)
        and all(trait in NODE_FIELDS.by_name["traits"].decode(node["traits"]) for trait in query.traits)
    )
