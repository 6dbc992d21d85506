"""Racks: machines by name, and how everybody in a process meets at the same ones."""

from __future__ import annotations

import gc
import threading
import uuid

import testtools

from baremetal_fake import Account, Effect, Fault, FaultPlan, Machine, Rack, share, shared_rack


class TestRack(testtools.TestCase):
    """A machine exists by being named."""

    def test_a_name_always_means_the_same_machine(self) -> None:
        """The first look makes the machine."""
        rack = Rack()
        self.assertIs(rack.machine("a"), rack.machine("a"))
        self.assertIsNot(rack.machine("a"), rack.machine("b"))
        self.assertEqual(["a", "b"], [machine.name for machine in rack.machines()])

    def test_threads_that_name_a_machine_at_once_get_one(self) -> None:
        """Naming is safe from any thread."""
        rack = Rack()
        start = threading.Barrier(16)
        found: list[Machine] = []

        def name_it() -> None:
            start.wait(timeout=10.0)
            found.append(rack.machine("a"))

        threads = [threading.Thread(target=name_it) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10.0)
        self.assertEqual({id(rack.machine("a"))}, {id(one) for one in found})
        self.assertEqual(16, len(found))

    def test_a_name_is_needed(self) -> None:
        """There is no machine without a name."""
        self.assertRaises(ValueError, Rack().machine, "")

    def test_a_machine_that_was_removed_is_made_anew(self) -> None:
        """Taking a machine out forgets its state."""
        rack = Rack()
        rack.machine("a").disk_image = "x"
        rack.remove("a")
        self.assertIsNone(rack.machine("a").disk_image)

    def test_faults_reach_present_and_later_machines_by_pattern(self) -> None:
        """A plan is for all machines whose names match, whenever they are named."""
        rack = Rack()
        early, other = rack.machine("web-1"), rack.machine("db-1")
        rack.inject(FaultPlan((Fault("login", Effect.AUTH),)), "web-*")
        self.assertIsNotNone(early.record_operation("login"))
        self.assertIsNotNone(rack.machine("web-2").record_operation("login"))
        self.assertIsNone(other.record_operation("login"))

    def test_a_protected_machine_takes_its_account_alone(self) -> None:
        """Without an account any login is taken."""
        rack = Rack()
        self.assertTrue(rack.accepts("a", "anybody", None))
        rack.set_account("a", Account("admin", "sésame"))
        self.assertTrue(rack.accepts("a", "admin", "sésame"))
        self.assertFalse(rack.accepts("a", "admin", "sesame"))
        self.assertFalse(rack.accepts("a", None, None))

    def test_the_password_is_not_shown(self) -> None:
        """Secrets are in no representation."""
        self.assertNotIn("sesame", repr(Account("admin", "sesame")))


class TestSharedRacks(testtools.TestCase):
    """Racks are found by their names and live as long as somebody holds them."""

    def setUp(self) -> None:
        super().setUp()
        self.name = f"rack-{uuid.uuid4()}"

    def test_a_name_means_one_rack(self) -> None:
        """Everybody who asks for a name gets the same rack."""
        rack = shared_rack(self.name)
        self.assertIs(rack, shared_rack(self.name))

    def test_a_rack_ends_with_its_last_holder(self) -> None:
        """Nothing is left of a rack that nobody holds."""
        rack = shared_rack(self.name)
        rack.machine("a").disk_image = "x"
        del rack
        gc.collect()
        self.assertIsNone(shared_rack(self.name).machine("a").disk_image)

    def test_a_rack_of_ones_own_can_be_the_shared_one(self) -> None:
        """A test hands in a rack with a clock of its own; a second one under that name is refused."""
        rack = share(Rack(self.name))
        self.assertIs(rack, shared_rack(self.name))
        self.assertIs(rack, share(rack))
        self.assertRaises(ValueError, share, Rack(self.name))
