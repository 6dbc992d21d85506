"""Manager of the leases of one conductor: acquires them, renews them while their tasks live, and releases them.

A lease gives one holder the exclusive right to a node until it expires. Each acquisition increments the node's epoch. Holder
and epoch are the *fence* that each write carries, so that the store rejects a late write of a former holder. The BMC knows no
fence; requests to it are therefore checked against the local clock just before they are sent.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from baremetal_interfaces import NodeLocked
from baremetal_sdk.clock import Clock, boottime_source
from baremetal_sdk.errors import LeaseLost, StoreUnavailable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord

LOG = get_logger(__name__)


def new_holder(hostname: str) -> str:
    """Return a new unique lease holder name for a conductor process on *hostname*.

    A restarted conductor has another name, so it does not count as the holder of the leases of its previous process.
    """
    return f"{hostname}/{uuid.uuid4().hex[:12]}"


def host_of(holder: str | None) -> str | None:
    """Return the host name part of a lease holder's name, which clients see in ``reservation``. None for no holder."""
    return holder.rpartition("/")[0] if holder else None


class _HeldLease(NamedTuple):
    """A lease, and the time in seconds of this machine's monotonic clock until which it is valid.

    The monotonic clock decides about sending, because the date of this machine may be wrong or may jump.
    """

    lease: Lease
    valid_until: float


class Leases:
    """The leases that one holder, a conductor process, has on nodes. Thread-safe.

    Leases last *duration* seconds. A caller must run :meth:`renew_all` at least three times within that period. An expired
    lease of another holder can be acquired only *grace* seconds after its expiry, when all requests that its holder sent
    have ended.
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
        self._unreleased: set[Fence] = set()
        """Leases whose release failed because the store was away. The next renewal repeats the release."""
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
        """Raise ``LeaseLost`` if the lease of *fence* has expired or was lost.

        *sent* is False before a message to the BMC, and True after it. With True, the error says that the effect of the
        message is unknown; with False, that the message was not sent. The check runs for each message, so it only compares
        local values and does not access the store.
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
        """Stop renewing a lease and release it in the store. The store ignores a lease that this holder no longer has.

        If the store is away, the release is repeated with the next renewals, and the error is raised.
        """
        # In this order: a renewal in another thread must not find the released lease missing and report it as lost.
        self.stop_renewing(fence)
        try:
            self._store.release_lease(fence)
        except StoreUnavailable:
            with self._lock:
                self._unreleased.add(fence)
            raise

    def stop_renewing(self, fence: Fence) -> None:
        """Stop renewing a lease without a write to the store.

        For leases that end with the deletion of their node or with the last write of their task.
        """
        with self._lock:
            if self._is_held(fence):
                del self._held[fence.node_uuid]

    def renew_all(self) -> list[Lease]:
        """Renew the leases that have used a third of their duration. Return those that were lost.

        A lost lease is no longer in the store, although its task has not released it. Also release the leases whose release
        failed before.
        """
        for fence in list(self._unreleased):
            self._store.release_lease(fence)
            with self._lock:
                self._unreleased.discard(fence)
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
        """Return the leases that this holder has acquired and neither released nor lost. Some of them may have expired."""
        with self._lock:
            return [held.lease for held in self._held.values()]

    def _compute_valid_until(self) -> float:
        """Return the monotonic time, in seconds, at which a lease ends that is requested from the store now.

        Callers compute it before they call the store. So the local end is never later than the stored one, even if the store
        answers slowly.
        """
        return self._elapsed() + self.duration

    def _lose(self, lease: Lease) -> bool:
        """Remove a lease that the store no longer has, and count it as lost. Return False if its task has released it before."""
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
