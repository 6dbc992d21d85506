"""What the runtime asks of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from baremetal_sdk.store.outbox import Outbox
from baremetal_sdk.store.records.node import ConductorRecord, Fence, Lease, NodeRecord, NodeUpdate, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope

R = TypeVar("R")


class Store(Protocol):
    """Keeps nodes, ports, leases and conductors.

    Every write says under which lease it is made. With a ``fence`` it is done only while that lease is held, else
    ``LeaseLost`` is raised; with ``fence=None`` only while **nobody** holds a lease on the node, else ``NodeLocked``,
    which says who, for what and since when, with ``retry_after``. The check and the write are one statement or one
    transaction. A lease that has expired is held by nobody. Every write counts the record's revision up by one and sets
    ``updated_at``. All methods may be called from any thread.
    """

    @property
    def outbox(self) -> Outbox:
        """What happened to nodes, for readers of events: written in the transaction of each change."""

    def open(self) -> None:
        """Connect, and create or upgrade the schema. Several processes may do it at the same time."""

    def close(self) -> None:
        """Give connections back. A closed store can be opened again."""

    def create_node(self, node: NodeRecord, *, fence: Fence | None) -> NodeRecord:
        """Store a new node; a node that is new has no lease, so *fence* is None.

        Raises ``DuplicateName`` (uuid or name) and ``InstanceAssociated``.
        """

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """The node with this UUID or, where it is no UUID, this name. Raises ``NodeNotFound``."""

    def node_version(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeVersion:
        """Whether a node is still as it was read before, at little cost. Raises ``NodeNotFound``."""

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of nodes. Raises ``InvalidInput`` for a marker, a column or a sort key that there is not."""

    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write *changes* (field -> whole new value) and give back the node as it is then.

        With *revision* only if the node still has it, else ``RevisionConflict``. With *release* the lease of *fence* is given
        back in the same statement: nobody sees the outcome of a task and finds its node still held. Raises ``NodeNotFound``,
        ``DuplicateName`` and ``InstanceAssociated``.
        """

    def update_nodes(self, updates: Sequence[NodeUpdate]) -> Sequence[NodeRecord | None]:
        """Make many writes in one transaction: each only while nobody has taken the node and it has the revision that is named.

        The answer has each node as it is then, in the same order; None in the place of one that was not written.
        """

    def delete_node(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a node, with its ports and all other records that belong to it."""

    def take_lease(
        self, uuid: str, *, holder: str, purpose: str, duration: float, grace: float = 0.0
    ) -> tuple[Lease, NodeRecord]:
        """Take a lease for *duration* seconds that is free, or expired for *grace* seconds; give it back with the node.

        Both are read in one transaction. Each lease has a higher epoch than any before it. Raises ``NodeLocked`` and
        ``NodeNotFound``.
        """

    def renew_leases(self, fences: Sequence[Fence], *, duration: float) -> Sequence[Lease]:
        """Let leases expire *duration* seconds from now; give back those that were still held, and had not expired.

        However many they are, they cost few statements.
        """

    def release_lease(self, fence: Fence) -> None:
        """Give a lease back. When it is no longer held, nothing happens."""

    def expire_leases(self, holder: str) -> int:
        """Let every lease of *holder*, who is known to be dead, expire now; give back how many there were."""

    def create_port(self, port: PortRecord, *, fence: Fence | None) -> PortRecord:
        """Store a new port. Raises ``MACAlreadyExists`` and ``NodeNotFound``. The fence is that of the port's node."""

    def port(self, ident: str, *, scope: Scope = Scope.ALL) -> PortRecord:
        """The port with this UUID, MAC address or name. Raises ``PortNotFound``."""

    def ports(self, query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of ports; ``where`` may name ``node_uuid`` and ``address``."""

    def update_port(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None
    ) -> PortRecord:
        """Write *changes* to a port."""

    def delete_port(self, uuid: str, *, fence: Fence | None) -> None:
        """Delete a port."""

    def create_record(self, record: R, *, fence: Fence | None = None) -> R:
        """Store a new record of one of the kinds in :mod:`baremetal_sdk.store.records.kinds`.

        The lease of a node matters where the kind says so. Raises ``DuplicateName``, ``MACAlreadyExists``, ``NodeNotFound``.
        """

    def record(self, kind: type[R], ident: str, *, scope: Scope = Scope.ALL) -> R:
        """The record of the class *kind* with this UUID, or name or address where the kind has one. Raises ``NotFound``."""

    def records(self, kind: type[Any], query: Query, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """A page of records."""

    def update_record(
        self, kind: type[R], uuid: str, changes: Mapping[str, Any], *, fence: Fence | None = None, revision: int | None = None
    ) -> R:
        """Write *changes* and give back the record as it is then."""

    def delete_record(self, kind: type[Any], uuid: str, *, fence: Fence | None = None, revision: int | None = None) -> None:
        """Delete a record. Raises ``InvalidInput`` while others name it: nodes their chassis, ports their group."""

    def replace_records(self, kind: type[R], node_uuid: str, records: Sequence[R], *, fence: Fence | None = None) -> None:
        """Let a node have exactly these records of a kind: BIOS settings by name, firmware by component, inventories by source.

        What stays keeps its UUID; what has not changed is not written.
        """

    def append_records(self, kind: type[R], records: Sequence[R]) -> int:
        """Store new records of a kind that needs no lease, in one transaction, with the times that they bear.

        Those whose node is gone are left out; the result says how many were stored.
        """

    def purge_records(self, kind: type[Any], where: Mapping[str, Any], *, created_before: datetime | None = None) -> int:
        """Delete all records that match, of a kind that needs no lease; give back how many there were."""

    def shards(self, *, scope: Scope = Scope.ALL) -> Sequence[tuple[str | None, int]]:
        """Each shard and how many nodes it has, by name; None stands for those that have none."""

    def provision_states(self) -> Sequence[tuple[str, int]]:
        """Each provision state that there is, and how many nodes are in it."""

    def register_conductor(self, conductor: ConductorRecord) -> ConductorRecord:
        """Store what a conductor offers, in place of what its host name offered before, with a heartbeat of now."""

    def heartbeat(self, hostname: str, incarnation: str) -> None:
        """Say that a conductor lives. Raises ``ConductorNotFound`` when another incarnation took its host name."""

    def conductors(self) -> Sequence[ConductorRecord]:
        """All conductors, by host name."""

    def unregister_conductor(self, hostname: str, incarnation: str) -> None:
        """Forget a conductor that stops."""
