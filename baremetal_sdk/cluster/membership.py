"""Membership of a conductor in its cluster: registration, heartbeats, and its share of the nodes."""

from __future__ import annotations

from typing import Protocol

from baremetal_interfaces import BareMetalError
from baremetal_sdk.cluster import process_identity
from baremetal_sdk.cluster.hash_ring import HashRing, choose_owner, format_holder
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import ConductorNotFound
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

LOG = get_logger(__name__)


class NodePlacement(Protocol):
    """Properties of a node that decide its conductor. A node's record has them, and so has a row with these columns."""

    @property
    def uuid(self) -> str:
        """UUID of the node."""

    @property
    def driver(self) -> str:
        """Hardware type of the node."""

    @property
    def conductor_group(self) -> str:
        """Conductor group of the node."""


class MembershipCoordinator(Protocol):
    """Client of an external service that detects dead conductors, in addition to the heartbeats in the database."""

    def join(self, member: str) -> None:
        """Register *member*, the lease holder name of this conductor."""

    def heartbeat(self) -> None:
        """Renew the registration of this conductor."""

    def leave(self) -> None:
        """Remove the registration of this conductor."""

    def members(self) -> frozenset[str] | None:
        """Return the lease holder names of the live conductors, or None while they are unknown."""


class Membership:
    """Membership of this conductor process in the cluster. It registers in the store, and in the *coordinator* if given."""

    def __init__(
        self,
        store: Store,
        drivers: DriverCatalog,
        ring: HashRing,
        hostname: str,
        incarnation: str,
        group: str,
        *,
        coordinator: MembershipCoordinator | None = None,
    ) -> None:
        self._store = store
        self.ring = ring
        self._record = ConductorRecord(
            hostname, incarnation, group, drivers.describe(), process=_describe_incarnation(incarnation)
        )
        self._coordinator = coordinator
        self._joined = False

    def join(self) -> None:
        """Register this conductor with its drivers. It replaces an earlier incarnation with the same host name.

        If the process of that incarnation is certainly dead, its leases end at once. Otherwise they have to expire.
        """
        previous = next((record for record in self._store.conductors() if record.hostname == self._record.hostname), None)
        self._store.register_conductor(self._record)
        if previous is not None and _is_dead(previous):
            self._expire_leases(previous)
        if self._coordinator is not None:
            self._coordinator.join(format_holder(self._record))
        self._joined = True
        self.ring.refresh()

    def heartbeat(self) -> None:
        """Renew the registration. Does nothing before :meth:`join` and after :meth:`leave`.

        If another process has registered with the same host name, an error is logged and not raised.
        """
        if not self._joined:
            return
        if self._coordinator is not None:
            self._coordinator.heartbeat()
        try:
            self._store.heartbeat(self._record.hostname, self._record.incarnation)
        except ConductorNotFound:
            # leave() may have run in another thread meanwhile. Then the missing record is expected.
            if self._joined:
                LOG.error(
                    "another conductor registered as '%s' after this one; give each its own [DEFAULT] host, or stop one of them",
                    self._record.hostname,
                )

    def leave(self) -> None:
        """Remove the registration. From now on, the nodes are assigned to other conductors.

        A failure of the store is logged and not raised. The conductor then counts as live until its heartbeats are too old.
        """
        if not self._joined:
            return
        self._joined = False
        try:
            self._store.unregister_conductor(self._record.hostname, self._record.incarnation)
        except BareMetalError as exc:
            LOG.warning(
                "cannot unregister conductor '%s': %s; it counts as live until its heartbeats are too old",
                self._record.hostname,
                exc,
            )
        if self._coordinator is not None:
            self._coordinator.leave()

    def owns(self, node: NodePlacement) -> bool:
        """Return whether the node is assigned to this conductor. False before :meth:`join` and after :meth:`leave`."""
        return self._joined and self._find_owner(node) == self._record.hostname

    def belongs_to_peer(self, node: NodePlacement) -> bool:
        """Return whether the node is assigned to another live conductor."""
        return self._find_owner(node) not in (None, self._record.hostname)

    def is_leaving(self, node: NodePlacement) -> bool:
        """Return whether this conductor has left the cluster and another conductor can continue the work on the node."""
        return not self._joined and self.belongs_to_peer(node)

    def has_peers(self) -> bool:
        """Return whether another conductor is live, without use of the cache."""
        return bool(self._list_peers(fresh=True))

    def _expire_leases(self, dead: ConductorRecord) -> None:
        count = self._store.expire_leases(format_holder(dead))
        if count:
            LOG.warning(
                "the previous process of this conductor is dead: ended its leases on %d nodes. Its last requests may still reach "
                "their BMCs",
                count,
            )

    def _list_peers(self, *, fresh: bool = False) -> list[ConductorRecord]:
        return [record for record in self.ring.list_live(fresh=fresh) if record.hostname != self._record.hostname]

    def _find_owner(self, node: NodePlacement) -> str | None:
        # This conductor knows its own membership better than the store: the ring is cached, and after leave() or a late
        # heartbeat the store's view of this conductor is out of date.
        members = [*self._list_peers(), self._record] if self._joined else self._list_peers()
        return choose_owner(members, node.uuid, node.driver, node.conductor_group)


def _describe_incarnation(incarnation: str) -> str | None:
    """Return *incarnation* with the identity of this process, or None if the system does not provide the identity."""
    # A release without this column keeps the old value when it registers. The incarnation in the value shows that.
    process = process_identity.describe_current_process()
    return None if process is None else f"{incarnation} {process}"


def _is_dead(conductor: ConductorRecord) -> bool:
    """Return whether the process that registered this conductor record is certainly dead. False if nothing is known about it."""
    incarnation, _, process = (conductor.process or "").partition(" ")
    return incarnation == conductor.incarnation and process_identity.is_dead(process)
