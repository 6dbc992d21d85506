"""The leases that this conductor holds: taken, kept alive while their tasks live, given back."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta

from baremetal_sdk.clock import Clock
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import Fence, Lease, NodeRecord

LOG = logging.getLogger(__name__)


def new_holder(hostname: str) -> str:
    """Name one incarnation of a conductor: a restart under the same host name is somebody else."""
    return f"{hostname}/{uuid.uuid4().hex[:12]}"


def host_of(holder: str | None) -> str | None:
    """The host name of a holder, as clients see it in ``reservation``."""
    return holder.rpartition("/")[0] if holder else None


class Leases:
    """Takes leases as one holder. ``renew_all`` has to be called at least three times in *duration* (seconds)."""

    def __init__(self, store: Store, holder: str, duration: float, clock: Clock) -> None:
        self.holder = holder
        self.duration = duration
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    def take(self, node_uuid: str, purpose: str) -> tuple[Lease, NodeRecord]:
        """Take the lease of a node or raise ``NodeLocked``. It never waits."""
        lease, record = self._store.take_lease(node_uuid, holder=self.holder, purpose=purpose, duration=self.duration)
        with self._lock:
            self._held[node_uuid] = lease
        return lease, record

    def release(self, fence: Fence) -> None:
        """Give a lease back, whether or not it is still ours."""
        self.forget(fence)
        self._store.release_lease(fence)

    def forget(self, fence: Fence) -> None:
        """Stop renewing a lease: it goes with its node, or with the last write to it."""
        with self._lock:
            held = self._held.get(fence.node_uuid)
            if held is not None and held.epoch == fence.epoch:
                del self._held[fence.node_uuid]

    def renew_all(self) -> list[Lease]:
        """Renew every lease that has used up a third of its time; give back those that were lost.

        The writes of a task whose lease was lost are refused.
        """
        lost: list[Lease] = []
        young = self._clock.now() + timedelta(seconds=self.duration * 2 / 3)
        for lease in (one for one in self.held() if one.expires_at <= young):
            try:
                renewed = self._store.renew_lease(lease.fence, duration=self.duration)
            except LeaseLost:
                # What was given back meanwhile is not lost.
                if self._is_held(lease):
                    LOG.error("the lease of node %s for '%s' was lost", lease.node_uuid, lease.purpose)
                    self.forget(lease.fence)
                    lost.append(lease)
                continue
            with self._lock:
                if self._is_held(lease):
                    self._held[lease.node_uuid] = renewed
        return lost

    def _is_held(self, lease: Lease) -> bool:
        held = self._held.get(lease.node_uuid)
        return held is not None and held.epoch == lease.epoch

    def held(self) -> list[Lease]:
        """The leases that are held now."""
        with self._lock:
            return list(self._held.values())
