"""This conductor among its peers: what it offers, that it lives, and which nodes are its share."""

from __future__ import annotations

import logging
from typing import Protocol

from baremetal_interfaces import BareMetalError
from baremetal_sdk.cluster import process_identity
from baremetal_sdk.cluster.hash_ring import HashRing, choose_owner, format_holder
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import ConductorNotFound
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

LOG = logging.getLogger(__name__)


class NodePlacement(Protocol):
    """What of a node says where it belongs: a record, or a row with these fields."""

    @property
    def uuid(self) -> str:
        """Its UUID."""

    @property
    def driver(self) -> str:
        """Its hardware type."""

    @property
    def conductor_group(self) -> str:
        """The group of conductors that drive it."""


class MembershipCoordinator(Protocol):
    """Somebody beside the database who notices that a member has died."""

    def join(self, member: str) -> None:
        """Be a member."""

    def heartbeat(self) -> None:
        """Say that the member lives."""

    def leave(self) -> None:
        """Be one no more."""

    def members(self) -> frozenset[str] | None:
        """Who lives; None while that cannot be known."""


class Membership:
    """One incarnation of a conductor in the store, and with the *coordinator* where there is one."""

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
        self._record = ConductorRecord(hostname, incarnation, group, drivers.describe(), process=_described(incarnation))
        self._coordinator = coordinator
        self._joined = False

    def join(self) -> None:
        """Say what this conductor offers. An earlier incarnation of the same host name is no longer one.

        What that held is free at once where its process is known to be gone; else its leases have to expire.
        """
        before = next((one for one in self._store.conductors() if one.hostname == self._record.hostname), None)
        self._store.register_conductor(self._record)
        if before is not None and _is_dead(before):
            self._void_leases(before)
        if self._coordinator is not None:
            self._coordinator.join(format_holder(self._record))
        self._joined = True
        self.ring.refresh()

    def heartbeat(self) -> None:
        """Say that it lives. That another incarnation took the host name is said loudly: two processes share a name."""
        if not self._joined:
            return
        if self._coordinator is not None:
            self._coordinator.heartbeat()
        try:
            self._store.heartbeat(self._record.hostname, self._record.incarnation)
        except ConductorNotFound:
            if self._joined:
                LOG.error(
                    "another conductor registered as '%s' after this one; give each its own [DEFAULT] host, or stop one of them",
                    self._record.hostname,
                )

    def leave(self) -> None:
        """Be forgotten: from now on its nodes are placed on others."""
        if not self._joined:
            return
        self._joined = False
        try:
            self._store.unregister_conductor(self._record.hostname, self._record.incarnation)
        except BareMetalError as exc:
            LOG.warning("the conductor could not be unregistered: %s", exc)
        if self._coordinator is not None:
            self._coordinator.leave()

    def owns(self, node: NodePlacement) -> bool:
        """Whether a node is this conductor's share."""
        return self._joined and self._find_owner(node) == self._record.hostname

    def belongs_to_peer(self, node: NodePlacement) -> bool:
        """Whether a node is another conductor's share, who lives."""
        return self._find_owner(node) not in (None, self._record.hostname)

    def is_leaving(self, node: NodePlacement) -> bool:
        """Whether this conductor has left, and another one is there for the node."""
        return not self._joined and self.belongs_to_peer(node)

    def has_peers(self) -> bool:
        """Whether another conductor lives."""
        return bool(self._peers(fresh=True))

    def _void_leases(self, dead: ConductorRecord) -> None:
        count = self._store.expire_leases(format_holder(dead))
        if count:
            LOG.warning(
                "the last process of this conductor is gone: its leases on %d nodes are void. What it sent last may still be "
                "on its way to their BMCs",
                count,
            )

    def _peers(self, *, fresh: bool = False) -> list[ConductorRecord]:
        return [one for one in self.ring.list_live(fresh=fresh) if one.hostname != self._record.hostname]

    def _find_owner(self, node: NodePlacement) -> str | None:
        """Who is best placed for a node. This conductor knows of itself whether it is there; the store may be late."""
        there = [*self._peers(), self._record] if self._joined else self._peers()
        return choose_owner(there, node.uuid, node.driver, node.conductor_group)


def _described(incarnation: str) -> str | None:
    """The process of an incarnation. It is named with it: a release that does not know this leaves here what was there."""
    process = process_identity.describe_current_process()
    return None if process is None else f"{incarnation} {process}"


def _is_dead(conductor: ConductorRecord) -> bool:
    """Whether the process of this incarnation is known to be gone."""
    incarnation, _, process = (conductor.process or "").partition(" ")
    return incarnation == conductor.incarnation and process_identity.is_dead(process)
