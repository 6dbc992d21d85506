"""The leases that this conductor holds: taken, kept alive while their tasks live, given back."""

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
    """Name one incarnation of a conductor: a restart under the same host name is somebody else."""
    return f"{hostname}/{uuid.uuid4().hex[:12]}"


def host_of(holder: str | None) -> str | None:
    """The host name of a holder, as clients see it in ``reservation``."""
    return holder.rpartition("/")[0] if holder else None


class _Held(NamedTuple):
    """A lease, and until when it is good on this machine's own clock, whatever happens to its date."""

    lease: Lease
    good_until: float


class Leases:
    """Takes leases as one holder. ``renew_all`` has to be called at least three times in *duration* (seconds).

    A lease of somebody else is taken when it has been expired for as long as *grace* says (seconds): what its holder has
    sent before has ended by then.
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
        self._held: dict[str, _Held] = {}
        self.conflict_count = 0
        """Leases that somebody else held when they were asked for."""
        self.lost_count = 0
        """Leases that were lost while their task still lived."""

    def acquire(self, node_uuid: str, purpose: str) -> tuple[Lease, NodeRecord]:
        """Take the lease of a node or raise ``NodeLocked``. It never waits."""
        good_until = self._good_until()
        try:
            lease, record = self._store.take_lease(
                node_uuid, holder=self.holder, purpose=purpose, duration=self.duration, grace=self.grace()
            )
        except NodeLocked:
            with self._lock:
                self.conflict_count += 1
            raise
        with self._lock:
            self._held[node_uuid] = _Held(lease, good_until)
        return lease, record

    def check(self, fence: Fence, *, sent: bool = False) -> None:
        """Raise ``LeaseLost`` when the lease has expired or was lost; *sent* says that something was sent just now.

        It asks nobody: it is for the moment before something is sent to a BMC.
        """
        with self._lock:
            held = self._held.get(fence.node_uuid)
        if held is not None and held.lease.epoch == fence.epoch and self._elapsed() < held.good_until:
            return
        if not sent:
            raise LeaseLost(f"the lease {fence.epoch} on node {fence.node_uuid} has expired: nothing is sent to its BMC")
        LOG.error("node %s: a request was on its way to the BMC when the lease %d expired", fence.node_uuid, fence.epoch)
        raise LeaseLost(
            f"the lease {fence.epoch} on node {fence.node_uuid} expired while a request was sent: nobody knows what the BMC did"
        )

    def release(self, fence: Fence) -> None:
        """Give a lease back, whether or not it is still ours."""
        self.stop_renewing(fence)
        self._store.release_lease(fence)

    def stop_renewing(self, fence: Fence) -> None:
        """Stop renewing a lease: it goes with its node, or with the last write to it."""
        with self._lock:
            if self._has(fence):
                del self._held[fence.node_uuid]

    def renew_all(self) -> list[Lease]:
        """Renew every lease that has used up a third of its time; give back those that were lost.

        The writes of a task whose lease was lost are refused.
        """
        young = self._clock.now() + timedelta(seconds=self.duration * 2 / 3)
        old = [one for one in self.list_held() if one.expires_at <= young]
        if not old:
            return []
        good_until = self._good_until()
        renewed = {one.fence: one for one in self._store.renew_leases([one.fence for one in old], duration=self.duration)}
        with self._lock:
            for fence, lease in renewed.items():
                if self._has(fence):
                    self._held[fence.node_uuid] = _Held(lease, good_until)
        return [lease for lease in old if lease.fence not in renewed and self._lose(lease)]

    def list_held(self) -> list[Lease]:
        """The leases that are held now."""
        with self._lock:
            return [held.lease for held in self._held.values()]

    def _good_until(self) -> float:
        """Measured before the store is asked, so that it is never later than what is stored."""
        return self._elapsed() + self.duration

    def _lose(self, lease: Lease) -> bool:
        """Forget a lease that the store does not know any more. What was given back meanwhile is not lost."""
        with self._lock:
            if not self._has(lease.fence):
                return False
            del self._held[lease.node_uuid]
            self.lost_count += 1
        LOG.error("the lease of node %s for '%s' was lost", lease.node_uuid, lease.purpose)
        return True

    def _has(self, fence: Fence) -> bool:
        held = self._held.get(fence.node_uuid)
        return held is not None and held.lease.epoch == fence.epoch
