"""The leases of one conductor: acquired, renewed while their tasks live, and released.

A lease gives one holder the exclusive right to a node until it expires. Each acquisition increments the node's epoch. Holder
and epoch are the *fence* that each write carries, so that the store rejects a late write of a former holder. The BMC knows no
fence; requests to it are therefore checked against the local clock just before they are sent.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from baremetal_interfaces import NodeLocked
from baremetal_sdk.clock import Clock, boottime_source
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord

LOG = logging.getLogger(__name__)


def new_holder(hostname: str) -> str:
    """Return a new name for this incarnation of a conductor. After a restart, the same host name is a different holder."""
    return f"{hostname}/{uuid.uuid4().hex[:12]}"


def host_of(holder: str | None) -> str | None:
    """Return the host name of a holder, as clients see it in ``reservation``."""
    return holder.rpartition("/")[0] if holder else None


class _HeldLease(NamedTuple):
    """A lease, and the time until which it is valid by this machine's monotonic clock, in seconds.

    The monotonic clock decides about sending, because the date of this machine may be wrong or may jump.
    """

    lease: Lease
    valid_until: float


class Leases:
    """Acquires and renews leases as one holder. Safe to use from many threads.

    :meth:`renew_all` has to be called three times in *duration* seconds or more often. An expired lease of another holder can
    be acquired *grace* seconds after its expiry: all requests that its holder sent before have ended by then.
    """

    def __init__(
        self, store: Store, holder: str, duration: float, clock: Clock, *, grace: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.holder = holder
        self.duration = duration
        self.grace = grace
        self._clock = clock
        self._elapsed = boottime_source(clock)
        self._store = store
        self._lock = threading.Lock()
        self._held: dict[str, _HeldLease] = {}
        self.conflict_count = 0
        """Number of acquisitions that failed because the node was held."""
        self.lost_count = 0
        """Number of leases that were lost while their task was live."""

    def acquire(self, node_uuid: str, purpose: str) -> tuple[Lease, NodeRecord]:
        """Acquire the lease of a node, and return it with the node. Raises ``NodeLocked`` if it is held; never waits."""
        valid_until = self._compute_valid_until()
        try:
            lease, record = self._store.take_lease(
                node_uuid, holder=self.holder, purpose=purpose, duration=self.duration, grace=self.grace()
            )
        except NodeLocked:
            with self._lock:
                self.conflict_count += 1
            raise
        with self._lock:
            self._held[node_uuid] = _HeldLease(lease, valid_until)
        return lease, record

    def check(self, fence: Fence, *, sent: bool = False) -> None:
        """Raise ``LeaseLost`` if the lease has expired or was lost. *sent*: whether a message was just sent.

        Runs before and after each message to a BMC, so it only compares local values and does not access the store.
        """
        # The epoch is compared, too: the node may be leased again by another task of this conductor.
        with self._lock:
            held = self._held.get(fence.node_uuid)
        if held is not None and held.lease.epoch == fence.epoch and self._elapsed() < held.valid_until:
            return
        if not sent:
            raise LeaseLost(f"lease {fence.epoch} of node {fence.node_uuid} has expired: the request to its BMC was not sent")
        LOG.error("node %s: lease %d expired while a request was sent to the BMC", fence.node_uuid, fence.epoch)
        raise LeaseLost(
            f"lease {fence.epoch} of node {fence.node_uuid} expired while a request was sent; its effect on the BMC is unknown"
        )

    def release(self, fence: Fence) -> None:
        """Release a lease. Do nothing in the store if it is no longer this holder's."""
        # In this order: a renewal in another thread must not find the released lease missing and report it as lost.
        self.stop_renewing(fence)
        self._store.release_lease(fence)

    def stop_renewing(self, fence: Fence) -> None:
        """Stop renewing a lease that ends with the deletion of its node, or with the last write of its task."""
        with self._lock:
            if self._is_held(fence):
                del self._held[fence.node_uuid]

    def renew_all(self) -> list[Lease]:
        """Renew the leases that have used a third of their duration. Return those that were lost meanwhile."""
        # Short tasks end before their lease is due, so most leases cost no renewal.
        due_before = self._clock.now() + timedelta(seconds=self.duration * 2 / 3)
        due = [lease for lease in self.list_held() if lease.expires_at <= due_before]
        if not due:
            return []
        valid_until = self._compute_valid_until()
        leases = self._store.renew_leases([lease.fence for lease in due], duration=self.duration)
        renewed = {lease.fence: lease for lease in leases}
        # A task may have released its lease while the store renewed it. Such a lease must not become held again.
        with self._lock:
            for fence, lease in renewed.items():
                if self._is_held(fence):
                    self._held[fence.node_uuid] = _HeldLease(lease, valid_until)
        return [lease for lease in due if lease.fence not in renewed and self._lose(lease)]

    def list_held(self) -> list[Lease]:
        """Return the leases that are held now."""
        with self._lock:
            return [held.lease for held in self._held.values()]

    def _compute_valid_until(self) -> float:
        """Return the end of a lease that the store grants from now on.

        Called before the store is, so that the local end is never later than the stored one, however long the store takes.
        """
        return self._elapsed() + self.duration

    def _lose(self, lease: Lease) -> bool:
        """Forget a lease that the store no longer has. Return False if its task released it meanwhile, which is no loss."""
        with self._lock:
            if not self._is_held(lease.fence):
                return False
            del self._held[lease.node_uuid]
            self.lost_count += 1
        LOG.error("node %s: the lease for '%s' was lost; its task is cancelled", lease.node_uuid, lease.purpose)
        return True

    def _is_held(self, fence: Fence) -> bool:
        # The epoch counts, too: the same holder may have acquired the node again.
        held = self._held.get(fence.node_uuid)
        return held is not None and held.lease.epoch == fence.epoch
