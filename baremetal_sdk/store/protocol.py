"""Protocol of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from baremetal_sdk.store.outbox import Outbox
from baremetal_sdk.store.records.node import ConductorRecord, Fence, Lease, NodeRecord, NodeUpdate, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope

R = TypeVar("R")


class Store(Protocol):
    """Stores nodes, the records that belong to them, leases and conductors. Thread-safe.

    Each write to a node or to a record under a node's lease is conditional. With a ``fence`` it raises ``LeaseLost`` unless
    that lease is held. With ``fence=None`` it raises ``NodeLocked`` if any lease on the node is held; the error has the
    holder, the purpose, the start and ``retry_after``. An expired lease is not held. The check and the write are one
    statement or one transaction. Each write increments the record's revision and sets ``updated_at``.

    A ``scope`` restricts reads to the records that the caller may see; other records do not exist for the caller.
    """

    @property
    def outbox(self) -> Outbox:
        """Events about nodes, written in the transaction of each change."""

    def open(self) -> None:
        """Connect, and create or upgrade the schema. Several processes may call this at the same time."""

    def close(self) -> None:
        """Close the connections. A closed store can be opened again."""

    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node. *fence* must be None, because a new node has no lease.

        Raises ``DuplicateName`` (for the UUID or the name) and ``InstanceAssociated``.
        """

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """Return the node with the UUID *ident* or, if *ident* is not a UUID, with that name. Raises ``NodeNotFound``."""

    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """Return the version of a node, to compare with an earlier one. Cheaper than :meth:`node`. Raises ``NodeNotFound``."""

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return a page of nodes. Raises ``InvalidInput`` for an unknown marker, field or sort key."""

    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes*, a mapping of field to whole new value, and return the written node.

        With *revision*, raises ``RevisionConflict`` unless the node still has that revision. *release* releases the lease of
        *fence* in the same statement, so that a client that sees the outcome of a task can use the node at once.
        Raises ``NodeNotFound``, ``DuplicateName`` and ``InstanceAssociated``.
        """

    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Make conditional writes to several nodes in one transaction.

        A node is written only if it is not held and has the expected revision. Return the written nodes in the order of
        *updates*, with None for each node that was not written.
        """

    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node with its ports and all other records that belong to it."""

    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take a lease for *duration* seconds and return it with the node, both from one transaction.

        The node must be free, or its lease must have expired at least *grace* seconds ago. Each lease of a node has a higher
        epoch than all leases before. Raises ``NodeLocked`` and ``NodeNotFound``.
        """

    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Extend leases to *duration* seconds from now, and return the leases that were still held.

        Expired leases are not extended. Many leases cost few statements.
        """

    def release_lease(self, fence: Fence) -> None:
        """Release a lease. Do nothing if the lease is no longer held."""

    def expire_leases(self, holder: str) -> int:
        """End all leases of *holder*, which must be dead, and return their number."""

    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port. *fence* belongs to the port's node. Raises ``MACAlreadyExists`` and ``NodeNotFound``."""

    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """Return the port with this UUID, MAC address or name. Raises ``PortNotFound``."""

    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return a page of ports."""

    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port and return the written port."""

    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port."""

    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record of one of the kinds in :mod:`baremetal_sdk.store.records.kinds`.

        The node's lease is checked if ``RecordKind.fenced`` is set. Raises ``DuplicateName``, ``MACAlreadyExists`` and
        ``NodeNotFound``.
        """

    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """Return the record of the class *kind* with this UUID, or with this name or address. Raises ``NotFound``."""

    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return a page of records of the class *kind*."""

    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* to a record and return the written record."""

    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record. Raises ``InvalidInput`` while nodes refer to a chassis, or ports to a port group."""

    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Make *records* the node's only records of a kind: BIOS settings, firmware components or inventories.

        Records match by name, component or source. A record that stays keeps its UUID; an unchanged record is not written.
        """

    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of a kind without a lease in one transaction, with their own ``created_at``.

        Records of deleted nodes are left out. Return the number of stored records.
        """

    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all matching records of a kind without a lease and return their number."""

    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Return each shard with its number of nodes, ordered by name. None stands for nodes without a shard."""

    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Return each provision state with its number of nodes, without states that no node has."""

    def register_conductor(self, conductor: ConductorRecord) -> ConductorRecord:
        """Store a conductor with a heartbeat of now, in place of an earlier conductor with the same host name."""

    def heartbeat(self, hostname: str, incarnation: str) -> None:
        """Record that a conductor is alive. Raises ``ConductorNotFound`` if another incarnation has its host name."""

    def conductors(self) -> Sequence[ConductorRecord]:
        """Return all conductors, ordered by host name."""

    def unregister_conductor(self, hostname: str, incarnation: str) -> None:
        """Delete a conductor that stops, unless another incarnation has its host name."""
