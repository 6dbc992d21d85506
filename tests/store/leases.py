"""Rules of leases for all stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked
from baremetal_sdk.errors import LeaseLost, NodeNotFound, RevisionConflict
from baremetal_sdk.store import PortRecord
from tests.fixtures.stores import HOLDER, OTHER, StoreBehaviour, new_mac, new_uuid


class LeaseBehaviour(StoreBehaviour):
    """Leases are taken, renewed, released and lost, and each write checks the lease."""

    def test_taken_lease_comes_with_the_node(self: Any) -> None:
        """A lease has holder, purpose, begin and expiry, and comes with the node as it is under the lease."""
        node = self.node(name="a")
        lease, read = self.store.take_lease(node.uuid, holder=HOLDER, purpose="deploy", duration=60)
        now = self.clock.now()
        self.assertEqual((node.uuid, HOLDER, "deploy", now, now + timedelta(seconds=60), 1), tuple(vars(lease).values()))
        self.assertEqual(read, self.store.node(node.uuid))
        self.assertEqual(HOLDER, read.lease_holder)
        self.assertEqual("deploy", read.lease_purpose)
        self.assertEqual(1, read.epoch)

    def test_lease_does_not_count_as_a_change(self: Any) -> None:
        """Taking a lease does not change the node's revision or update time."""
        node = self.node()
        fence = self.lease(node).fence
        self.renewed(fence, duration=60)
        held = self.store.node(node.uuid)
        self.assertEqual(0, held.revision)
        self.assertIsNone(held.updated_at)
        self.store.update_node(node.uuid, {"owner": "x"}, fence=fence, revision=node.revision)

    def test_held_lease_cannot_be_taken(self: Any) -> None:
        """The second caller gets the holder, the purpose, the begin and a time to retry."""
        node = self.node(name="a")
        self.lease(node, HOLDER, "deploy", 60)
        since = self.clock.now()
        self.clock.advance(3)
        for holder in (OTHER, HOLDER):
            error = self.assertRaises(NodeLocked, self.lease, node, holder)
            self.assertEqual(
                f"node {node.uuid} is locked by conductor-1 for 'deploy' since 2031-05-17T12:00:03Z (until 2031-05-17T12:01:03Z)",
                str(error),
            )
            details = {"node": node.uuid, "holder": HOLDER, "purpose": "deploy", "since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
            self.assertEqual(details, error.details)
            self.assertGreaterEqual(error.retry_after, 1.0)
        self.assertEqual(1, self.store.node(node.uuid).epoch)

    def test_expired_lease_is_not_held(self: Any) -> None:
        """At its expiry a lease can be taken by another holder, and the former holder has lost it."""
        node = self.node()
        old = self.lease(node, HOLDER, duration=10).fence
        self.clock.advance(9.999999)
        self.assertRaises(NodeLocked, self.lease, node, OTHER)
        self.clock.advance(0.000001)
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {}, fence=old)
        self.assertRaises(LeaseLost, self.renewed, old, duration=10)
        self.store.update_node(node.uuid, {"owner": "x"}, fence=None)
        self.assertEqual(2, self.lease(node, OTHER).epoch)

    def test_epochs_increase(self: Any) -> None:
        """Each lease of a node has a higher epoch than all leases before, also after a release."""
        node = self.node()
        epochs = []
        for _ in range(3):
            lease = self.lease(node)
            epochs.append(lease.epoch)
            self.store.release_lease(lease.fence)
        self.assertEqual([1, 2, 3], epochs)

    def test_renewed_lease_lasts_longer(self: Any) -> None:
        """A renewed lease expires the duration after the renewal and is otherwise unchanged."""
        lease = self.lease(self.node(), duration=10)
        self.clock.advance(9)
        renewed = self.renewed(lease.fence, duration=10)
        self.assertEqual(replace(lease, expires_at=self.clock.now() + timedelta(seconds=10)), renewed)
        self.clock.advance(9)
        self.renewed(lease.fence, duration=10)

    def test_many_leases_are_renewed_at_once(self: Any) -> None:
        """Held leases are renewed together; lost, expired and older leases and those of other holders are left out."""
        fences = [self.lease(self.node(), duration=10).fence for _ in range(7)]
        lost, foreign = self.node(), self.node()
        old = self.lease(lost, duration=10).fence
        self.store.release_lease(old)
        newer = self.lease(lost, duration=10)
        short = self.lease(self.node(), duration=5).fence
        others = self.lease(foreign, OTHER, duration=10).fence
        self.clock.advance(6)
        renewed = self.store.renew_leases([*fences, old, short, others._replace(holder=HOLDER)], duration=10)
        self.assertEqual(set(fences), {lease.fence for lease in renewed})
        self.assertEqual({self.clock.now() + timedelta(seconds=10)}, {lease.expires_at for lease in renewed})
        self.assertEqual({others}, {lease.fence for lease in self.store.renew_leases([others], duration=10)})
        self.assertEqual([], list(self.store.renew_leases([], duration=10)))
        self.assertEqual(newer.epoch, self.store.node(lost.uuid).epoch)
        self.clock.advance(9)
        for fence in fences:
            self.store.update_node(fence.node_uuid, {"owner": "x"}, fence=fence)

    def test_released_lease_is_free(self: Any) -> None:
        """A released lease cannot be renewed or written under, and can be taken."""
        node = self.node()
        fence = self.lease(node).fence
        self.store.release_lease(fence)
        self.assertIsNone(self.store.node(node.uuid).lease_holder)
        self.assertIsNone(self.store.node(node.uuid).lease_expires_at)
        self.assertRaises(LeaseLost, self.renewed, fence, duration=1)
        self.assertRaises(LeaseLost, self.store.delete_node, node.uuid, fence=fence)
        self.lease(node, OTHER)

    def test_last_write_releases_the_lease(self: Any) -> None:
        """A write with release changes the node and ends the lease together, and a lost fence does neither."""
        node = self.node()
        fence = self.lease(node).fence
        record = self.store.update_node(node.uuid, {"owner": "x"}, fence=fence, release=True)
        self.assertEqual("x", record.owner)
        self.assertIsNone(record.lease_holder)
        self.assertIsNone(record.lease_expires_at)
        self.assertEqual(1, record.revision)
        current = self.lease(node, OTHER).fence
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {"owner": "y"}, fence=fence, release=True)
        self.assertEqual("x", self.store.node(node.uuid).owner)
        self.assertEqual(OTHER, self.store.node(node.uuid).lease_holder)
        self.store.release_lease(current)

    def test_release_of_a_lost_lease_changes_nothing(self: Any) -> None:
        """A late release does not end the lease of the next holder."""
        node = self.node()
        old = self.lease(node, HOLDER, duration=1).fence
        self.clock.advance(2)
        current = self.lease(node, HOLDER).fence
        self.store.release_lease(old)
        self.store.update_node(node.uuid, {}, fence=current)
        self.store.release_lease(old._replace(node_uuid=new_uuid()))

    def test_only_the_fence_of_the_lease_writes(self: Any) -> None:
        """A write with another holder, another epoch or no fence is rejected and changes nothing."""
        node = self.node()
        fence = self.lease(node).fence
        for wrong in (fence._replace(holder=OTHER), fence._replace(epoch=0), fence._replace(epoch=2)):
            error = self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {"owner": "x"}, fence=wrong)
            self.assertIn(node.uuid, str(error))
            self.assertRaises(LeaseLost, self.store.delete_node, node.uuid, fence=wrong)
        self.assertRaises(NodeLocked, self.store.update_node, node.uuid, {"owner": "x"}, fence=None)
        self.assertRaises(NodeLocked, self.store.delete_node, node.uuid, fence=None)
        self.assertIsNone(self.store.node(node.uuid).owner)
        self.assertEqual("x", self.store.update_node(node.uuid, {"owner": "x"}, fence=fence).owner)
        self.store.delete_node(node.uuid, fence=fence)

    def test_fence_of_another_node_is_invalid_input(self: Any) -> None:
        """The fence of another node is invalid input, not a lost lease."""
        node, other = self.node(), self.node()
        fence = self.lease(other).fence
        port = self.port(node)
        attempts = (
            lambda: self.store.update_node(node.uuid, {}, fence=fence),
            lambda: self.store.delete_node(node.uuid, fence=fence),
            lambda: self.store.create_port(PortRecord(new_uuid(), node.uuid, new_mac()), fence=fence),
            lambda: self.store.update_port(port.uuid, {}, fence=fence),
            lambda: self.store.delete_port(port.uuid, fence=fence),
        )
        for attempt in attempts:
            self.assertEqual("fence", self.assertRaises(InvalidInput, attempt).problems[0].field)

    def test_lease_is_checked_before_the_revision(self: Any) -> None:
        """A caller without the lease gets the error of the lease, whatever revision it passes."""
        node = self.node()
        fence = self.lease(node).fence
        self.assertRaises(NodeLocked, self.store.update_node, node.uuid, {}, fence=None, revision=5)
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {}, fence=fence._replace(epoch=9), revision=5)
        self.assertRaises(RevisionConflict, self.store.update_node, node.uuid, {}, fence=fence, revision=5)

    def test_lease_of_a_missing_node(self: Any) -> None:
        """A lease of a missing node cannot be taken, and the lease of a deleted node is lost."""
        node = self.node()
        fence = self.lease(node).fence
        self.store.delete_node(node.uuid, fence=fence)
        self.assertRaises(NodeNotFound, self.lease, node)
        self.assertRaises(LeaseLost, self.renewed, fence, duration=1)
        self.assertRaises(NodeNotFound, self.store.update_node, node.uuid, {}, fence=fence)
        self.store.release_lease(fence)

    def test_lease_without_duration_is_refused(self: Any) -> None:
        """A duration of zero, below zero or NaN is rejected by name."""
        node = self.node()
        for wrong in (0, -1, float("nan")):
            self.assertIn("duration", str(self.assertRaises(InvalidInput, self.lease, node, duration=wrong)))
        fence = self.lease(node).fence
        self.assertRaises(InvalidInput, self.renewed, fence, duration=0)

    def test_holder_has_a_bounded_length(self: Any) -> None:
        """A holder that is too long for its column is rejected by name."""
        self.assertIn("lease_holder", str(self.assertRaises(InvalidInput, self.lease, self.node(), "h" * 400)))

    def test_leases_of_a_dead_holder_end_at_once(self: Any) -> None:
        """All leases of one holder end together, and those of other holders stay."""
        first, second, third = self.node(), self.node(), self.node()
        fence = self.lease(first, HOLDER).fence
        self.lease(second, HOLDER)
        self.lease(third, OTHER)
        self.assertEqual(2, self.store.expire_leases(HOLDER))
        self.assertRaises(LeaseLost, self.store.update_node, first.uuid, {}, fence=fence)
        self.assertEqual(2, self.lease(first, OTHER).epoch)
        self.assertRaises(NodeLocked, self.lease, third, HOLDER)
        self.assertEqual(0, self.store.expire_leases("nobody/0"))

    def test_holders_are_compared_exactly(self: Any) -> None:
        """A holder is not matched by SQL wildcards, by another case or by a prefix."""
        node = self.node()
        fence = self.lease(node, "ironicXa/1").fence
        for other in ("ironic_a/1", "ironic%/1", "IRONICXA/1", "ironicXa", "ironicXa/2"):
            self.assertEqual(0, self.store.expire_leases(other), other)
            self.assertEqual([], list(self.store.renew_leases([fence._replace(holder=other)], duration=60)))
            self.store.release_lease(fence._replace(holder=other))
        self.store.update_node(node.uuid, {"owner": "x"}, fence=fence)
