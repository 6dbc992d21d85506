"""How any store keeps leases: who may write to a node."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked
from baremetal_sdk.errors import LeaseLost, NodeNotFound, RevisionConflict
from baremetal_sdk.store import PortRecord
from tests.fixtures.stores import HOLDER, OTHER, StoreBehaviour, new_mac, new_uuid


class LeaseBehaviour(StoreBehaviour):
    """Leases are taken, renewed, given back, lost; and every write asks for one."""

    def test_taken_lease_comes_with_the_node(self: Any) -> None:
        """A lease says who, for what, since when and until when; the node is as it is under it."""
        node = self.node(name="a")
        lease, read = self.store.take_lease(node.uuid, holder=HOLDER, purpose="deploy", duration=60)
        now = self.clock.now()
        self.assertEqual((node.uuid, HOLDER, "deploy", now, now + timedelta(seconds=60), 1), tuple(vars(lease).values()))
        self.assertEqual(read, self.store.node(node.uuid))
        self.assertEqual((HOLDER, "deploy", 1), (read.lease_holder, read.lease_purpose, read.epoch))

    def test_lease_does_not_count_as_a_change(self: Any) -> None:
        """A revision that was read before a lease was taken is good under it, and clients see no change."""
        node = self.node()
        fence = self.lease(node).fence
        self.renewed(fence, duration=60)
        held = self.store.node(node.uuid)
        self.assertEqual((0, None), (held.revision, held.updated_at))
        self.store.update_node(node.uuid, {"owner": "x"}, fence=fence, revision=node.revision)

    def test_held_lease_cannot_be_taken(self: Any) -> None:
        """Whoever comes second is told who holds it, for what, since when, and when to come back."""
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

    def test_expired_lease_is_held_by_nobody(self: Any) -> None:
        """From its last moment on a lease can be taken, and its holder has lost it."""
        node = self.node()
        old = self.lease(node, HOLDER, duration=10).fence
        self.clock.advance(9.999999)
        self.assertRaises(NodeLocked, self.lease, node, OTHER)
        self.clock.advance(0.000001)
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {}, fence=old)
        self.assertRaises(LeaseLost, self.renewed, old, duration=10)
        self.store.update_node(node.uuid, {"owner": "x"}, fence=None)
        self.assertEqual(2, self.lease(node, OTHER).epoch)

    def test_epochs_only_grow(self: Any) -> None:
        """Each lease has a higher epoch than any before, also after one was given back."""
        node = self.node()
        epochs = []
        for _ in range(3):
            lease = self.lease(node)
            epochs.append(lease.epoch)
            self.store.release_lease(lease.fence)
        self.assertEqual([1, 2, 3], epochs)

    def test_renewed_lease_lives_on(self: Any) -> None:
        """A lease ends that long after it was renewed, and is otherwise as it was."""
        lease = self.lease(self.node(), duration=10)
        self.clock.advance(9)
        renewed = self.renewed(lease.fence, duration=10)
        self.assertEqual(replace(lease, expires_at=self.clock.now() + timedelta(seconds=10)), renewed)
        self.clock.advance(9)
        self.renewed(lease.fence, duration=10)

    def test_many_leases_are_renewed_at_once(self: Any) -> None:
        """Those that are held live on; one that is lost, expired, of an older epoch or of somebody else is left out."""
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
        """A lease that was given back cannot be renewed or written under, and can be taken."""
        node = self.node()
        fence = self.lease(node).fence
        self.store.release_lease(fence)
        self.assertEqual((None, None), (self.store.node(node.uuid).lease_holder, self.store.node(node.uuid).lease_expires_at))
        self.assertRaises(LeaseLost, self.renewed, fence, duration=1)
        self.assertRaises(LeaseLost, self.store.delete_node, node.uuid, fence=fence)
        self.lease(node, OTHER)

    def test_a_last_write_gives_the_lease_back(self: Any) -> None:
        """With release, the change and the end of the lease are seen together; a fence that is lost does neither."""
        node = self.node()
        fence = self.lease(node).fence
        record = self.store.update_node(node.uuid, {"owner": "x"}, fence=fence, release=True)
        self.assertEqual(("x", None, None, 1), (record.owner, record.lease_holder, record.lease_expires_at, record.revision))
        current = self.lease(node, OTHER).fence
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {"owner": "y"}, fence=fence, release=True)
        self.assertEqual(("x", OTHER), (self.store.node(node.uuid).owner, self.store.node(node.uuid).lease_holder))
        self.store.release_lease(current)

    def test_release_of_a_lost_lease_changes_nothing(self: Any) -> None:
        """Whoever comes late does not take the lease from the next holder."""
        node = self.node()
        old = self.lease(node, HOLDER, duration=1).fence
        self.clock.advance(2)
        current = self.lease(node, HOLDER).fence
        self.store.release_lease(old)
        self.store.update_node(node.uuid, {}, fence=current)
        self.store.release_lease(old._replace(node_uuid=new_uuid()))

    def test_only_the_fence_of_the_lease_writes(self: Any) -> None:
        """A write under another holder, another epoch or none is refused and changes nothing."""
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

    def test_fence_of_another_node_is_a_mistake(self: Any) -> None:
        """It is told as one, and not as a lease that was lost."""
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

    def test_lock_is_told_before_revision(self: Any) -> None:
        """Who may not write at all is not told of revisions."""
        node = self.node()
        fence = self.lease(node).fence
        self.assertRaises(NodeLocked, self.store.update_node, node.uuid, {}, fence=None, revision=5)
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {}, fence=fence._replace(epoch=9), revision=5)
        self.assertRaises(RevisionConflict, self.store.update_node, node.uuid, {}, fence=fence, revision=5)

    def test_lease_of_a_missing_node(self: Any) -> None:
        """There is none to take, and one that was held is lost."""
        node = self.node()
        fence = self.lease(node).fence
        self.store.delete_node(node.uuid, fence=fence)
        self.assertRaises(NodeNotFound, self.lease, node)
        self.assertRaises(LeaseLost, self.renewed, fence, duration=1)
        self.assertRaises(NodeNotFound, self.store.update_node, node.uuid, {}, fence=fence)
        self.store.release_lease(fence)

    def test_lease_without_duration_is_refused(self: Any) -> None:
        """A lease lasts for a time; what is none is named."""
        node = self.node()
        for wrong in (0, -1, float("nan")):
            self.assertIn("duration", str(self.assertRaises(InvalidInput, self.lease, node, duration=wrong)))
        fence = self.lease(node).fence
        self.assertRaises(InvalidInput, self.renewed, fence, duration=0)

    def test_holder_has_a_bounded_length(self: Any) -> None:
        """What the database could not keep is refused by name."""
        self.assertIn("lease_holder", str(self.assertRaises(InvalidInput, self.lease, self.node(), "h" * 400)))

    def test_leases_of_a_dead_holder_expire_at_once(self: Any) -> None:
        """All leases of one holder are free then, and those of others are not."""
        first, second, third = self.node(), self.node(), self.node()
        fence = self.lease(first, HOLDER).fence
        self.lease(second, HOLDER)
        self.lease(third, OTHER)
        self.assertEqual(2, self.store.expire_leases(HOLDER))
        self.assertRaises(LeaseLost, self.store.update_node, first.uuid, {}, fence=fence)
        self.assertEqual(2, self.lease(first, OTHER).epoch)
        self.assertRaises(NodeLocked, self.lease, third, HOLDER)
        self.assertEqual(0, self.store.expire_leases("nobody/0"))

    def test_holders_are_compared_letter_by_letter(self: Any) -> None:
        """A name with a character that stands for any other in a pattern, or in another case, is nobody else's."""
        node = self.node()
        fence = self.lease(node, "ironicXa/1").fence
        for other in ("ironic_a/1", "ironic%/1", "IRONICXA/1", "ironicXa", "ironicXa/2"):
            self.assertEqual(0, self.store.expire_leases(other), other)
            self.assertEqual([], list(self.store.renew_leases([fence._replace(holder=other)], duration=60)))
            self.store.release_lease(fence._replace(holder=other))
        self.store.update_node(node.uuid, {"owner": "x"}, fence=fence)
