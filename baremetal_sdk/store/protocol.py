"""Protocol that all stores implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from baremetal_sdk.store.outbox import Outbox
from baremetal_sdk.store.records.node import ConductorRecord, Fence, Lease, NodeRecord, NodeUpdate, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope

R = TypeVar("R")


class Store(Protocol):
    """Protocol of a store of nodes, the records that belong to them, leases and conductors. Thread-safe.

    Each write to a node or to a record under a node's lease is conditional. With a ``fence`` it raises ``LeaseLost`` unless
    that lease is held. With ``fence=None`` it raises ``NodeLocked`` if any lease on the node is held; the error has the
    holder, the purpose, the start and ``retry_after``. An expired lease does not count as held. The check and the write are
    one statement or one transaction. Each write increments the record's revision and sets ``updated_at``.

    A ``scope`` restricts reads to the records that the caller may see; other records do not exist for the caller.
    """

    @property
    def outbox(self) -> Outbox:
        """Events about nodes, written in the transaction of each change."""

    def open(self) -> None:
        """Connect to the database, and create or upgrade its tables. Several processes may call this at the same time."""

    def close(self) -> None:
        """Close the connections. A closed store can be opened again."""

    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node. *fence* must be None, because a new node has no lease.

        Raises ``DuplicateName`` (for the UUID or the name) and ``InstanceAssociated``.
        """

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """Return the node with the UUID *ident* or, if *ident* is not a UUID, with that name. Raises ``NodeNotFound``."""

    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """Return the version of a node, whose comparison with an earlier one shows changes. Cheaper than :meth:`node`.

        Raises ``NodeNotFound``.
        """

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of nodes that *query* selects. Raises ``InvalidInput`` for an unknown marker, field or sort key."""

    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes*, a mapping of field to whole new value, and return the written node.

        With *revision*, raises ``RevisionConflict`` unless the node still has that revision. *release* releases the lease of
        *fence* in the same statement. So a client that sees the outcome of a task can use the node at once.
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
        """Take the lease of a node for *duration* seconds, and return it with the node, both from one transaction.

        *purpose* says what *holder* does with the node, for errors of others. The node must be free, or its lease must have
        expired at least *grace* seconds ago. Each lease of a node has a higher epoch than all leases before. Raises
        ``NodeLocked`` and ``NodeNotFound``.
        """

    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Extend the leases of *fences* to *duration* seconds from now, and return the extended leases.

        Leases that have expired or are no longer held are not extended. Many leases cost few statements.
        """

    def release_lease(self, fence: Fence) -> None:
        """Release the lease of *fence*. Do nothing if it is no longer held."""

    def expire_leases(self, holder: str) -> int:
        """End all leases of *holder*, and return their number. The process of the holder must have ended."""

    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port and return it. *fence* is of the port's node. Raises ``MACAlreadyExists`` and ``NodeNotFound``."""

    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """Return the port with the UUID, MAC address or name *ident*. Raises ``PortNotFound``."""

    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of ports that *query* selects."""

    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* (field -> new value) to a port and return it. *fence* and *revision* as in :meth:`update_node`."""

    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port. *fence* belongs to the port's node. Raises ``PortNotFound``."""

    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record of one of the kinds in :mod:`baremetal_sdk.store.records.kinds`, and return it.

        The lease of the record's node is checked if ``RecordKind.fenced`` is set. Raises ``DuplicateName``,
        ``MACAlreadyExists`` and ``NodeNotFound``.
        """

    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """Return the record of the class *kind* with the UUID, name or address *ident*. Raises ``NotFound``."""

    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """Return the page of records of the class *kind* that *query* selects."""

    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* (field -> new value) to a record of the class *kind* and return it.

        With *revision*, raises ``RevisionConflict`` unless the record still has that revision.
        """

    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record of the class *kind*.

        Raises ``InvalidInput`` for a chassis with nodes and for a port group with ports.
        """

    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Make *records* the node's only records of a kind: BIOS settings, firmware components or inventories.

        A stored record with the name, component or source of a new one is updated and keeps its UUID. An unchanged record is
        not written.
        """

    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of a kind that needs no lease, in one transaction. They keep their own ``created_at``.

        Records of deleted nodes are left out. Return the number of stored records.
        """

    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all records, of a kind that needs no lease, that match *where*, and return their number.

        With *created_before*, delete only older records.
        """

    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Return each shard with its number of nodes, ordered by name. None stands for nodes without a shard."""

    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Return each provision state with its number of nodes, without states that no node has."""

    def register_conductor(self, conductor: ConductorRecord) -> ConductorRecord:
        """Store a conductor with the present time as its heartbeat, and return it.

        It replaces an earlier conductor with the same host name.
        """

    def heartbeat(self, hostname: str, incarnation: str) -> None:
        """Store the present time as the heartbeat of a conductor, which shows that it is alive.

        Raises ``ConductorNotFound`` if it is not registered or another incarnation has its host name.
        """

    def conductors(self) -> Sequence[ConductorRecord]:
        """Return all conductors, ordered by host name."""

    def unregister_conductor(self, hostname: str, incarnation: str) -> None:
        """Delete a conductor that stops, unless another incarnation has its host name."""
