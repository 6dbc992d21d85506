"""Writer of a task to its node. The store rejects each write of a task that has lost its lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from baremetal_sdk.errors import LeaseLost, StoreUnavailable
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import Fence, Lease, NodeRecord
from baremetal_sdk.tasks.change_listeners import ChangeListeners
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.leases import Leases
from baremetal_sdk.tasks.unwritten_failures import UnwrittenFailures


class NodeWrites:
    """The record and the lease of one task's node, and the writes that keep the record current.

    Each write carries the fence of the lease: its holder and epoch. The store rejects the write if the node's lease
    has changed since. After each write, the history and the change listeners are notified.
    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        history: History,
        listeners: ChangeListeners,
        unwritten: UnwrittenFailures,
        *,
        record: NodeRecord,
        lease: Lease | None,
    ) -> None:
        self._store = store
        self._leases = leases
        self._history = history
        self._listeners = listeners
        self._unwritten = unwritten
        self.record = record
        """The node as of the task's last write, or of its start."""
        self.lease = lease
        """None for a task that only reads, and after the lease was released."""

    def fence(self) -> Fence:
        """Return the fence of the task's lease, for a write. Raises ``LeaseLost`` if the task has no lease."""
        if self.lease is None:
            raise LeaseLost(f"node {self.record.uuid}: the task does not hold the node's lease; the write was rejected")
        return self.lease.fence

    def update(self, changes: dict[str, Any]) -> NodeRecord:
        """Write *changes* and return the new record. Raises ``LeaseLost`` if the task no longer holds the lease."""
        purpose = None if self.lease is None else self.lease.purpose
        with self._remembering(changes):
            record = self._store.update_node(self.record.uuid, changes, fence=self.fence())
        return self._apply(record, purpose)

    def finish(self, changes: dict[str, Any]) -> NodeRecord:
        """Write *changes* and release the lease in the same write. Return the new record."""
        with self._remembering(changes):
            return self._finish(changes, self.fence())

    def _finish(self, changes: dict[str, Any], fence: Fence) -> NodeRecord:
        purpose = None if self.lease is None else self.lease.purpose
        # Stop renewing before the write. A renewal just after it would find the lease gone and report it as lost.
        self._leases.stop_renewing(fence)
        record = self._store.update_node(self.record.uuid, changes, fence=fence, release=True)
        self.lease = None
        return self._apply(record, purpose)

    def delete_node(self) -> None:
        """Delete the node and its lease from the store."""
        assert self.lease is not None
        self._store.delete_node(self.record.uuid, fence=self.lease.fence)
        self._leases.stop_renewing(self.lease.fence)
        self.lease = None

    def release(self) -> None:
        """Release the lease if the task has one. From here on, each write raises ``LeaseLost``, even if the release fails."""
        # Forget the lease first: even if the store fails, the task writes nothing from here on.
        lease, self.lease = self.lease, None
        if lease is not None:
            self._leases.release(lease.fence)

    @contextmanager
    def _remembering(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """Keep the failure in *changes* for the recovery of the node if the block cannot write it."""
        try:
            yield
        except (StoreUnavailable, LeaseLost) as exc:
            self._unwritten.remember(self.record.uuid, self.record.epoch, changes.get("last_error"), exc)
            raise

    def _apply(self, record: NodeRecord, purpose: str | None) -> NodeRecord:
        before, self.record = self.record, record
        self._history.record_change(before, record, purpose)
        self._listeners.notify(record)
        return record
