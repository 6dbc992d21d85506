"""Racks: machines by name, and the racks that a process shares."""

from __future__ import annotations

import gc
import threading
import uuid

import testtools

from baremetal_fake import Account, Effect, Fault, FaultPlan, Machine, Rack, share, shared_rack


class TestRack(testtools.TestCase):
    """The first use of a name creates the machine."""

    def test_a_name_always_means_the_same_machine(self) -> None:
        """The same name always gives the same machine."""
        rack = Rack()
        self.assertIs(rack.machine("a"), rack.machine("a"))
        self.assertIsNot(rack.machine("a"), rack.machine("b"))
        self.assertEqual(["a", "b"], [machine.name for machine in rack.machines()])

    def test_threads_get_the_same_new_machine(self) -> None:
        """Several threads that use a new name at the same time get one machine."""
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
        self.assertEqual({id(rack.machine("a"))}, {id(machine) for machine in found})
        self.assertEqual(16, len(found))

    def test_an_empty_name_is_refused(self) -> None:
        """A machine needs a name."""
        self.assertRaises(ValueError, Rack().machine, "")

    def test_a_removed_machine_is_created_again(self) -> None:
        """A removed machine loses its state."""
        rack = Rack()
        rack.machine("a").disk_image = "x"
        rack.remove("a")
        self.assertIsNone(rack.machine("a").disk_image)

    def test_faults_reach_present_and_later_machines_by_pattern(self) -> None:
        """A plan applies to all machines whose names match, including machines created later."""
        rack = Rack()
        early, other = rack.machine("web-1"), rack.machine("db-1")
        rack.inject(FaultPlan((Fault("login", Effect.AUTH),)), "web-*")
        self.assertIsNotNone(early.record_operation("login"))
        self.assertIsNotNone(rack.machine("web-2").record_operation("login"))
        self.assertIsNone(other.record_operation("login"))

    def test_only_the_account_of_a_machine_is_accepted(self) -> None:
        """A machine with an account accepts only its credentials; a machine without one accepts any."""
        rack = Rack()
        self.assertTrue(rack.accepts("a", "anybody", None))
        rack.set_account("a", Account("admin", "sésame"))
        self.assertTrue(rack.accepts("a", "admin", "sésame"))
        self.assertFalse(rack.accepts("a", "admin", "sesame"))
        self.assertFalse(rack.accepts("a", None, None))

    def test_the_password_is_not_shown(self) -> None:
        """The repr of an account does not contain the password."""
        self.assertNotIn("sesame", repr(Account("admin", "sesame")))


class TestSharedRacks(testtools.TestCase):
    """Shared racks are found by name and live as long as a holder refers to them."""

    def setUp(self) -> None:
        super().setUp()
        self.name = f"rack-{uuid.uuid4()}"

    def test_a_name_means_one_rack(self) -> None:
        """The same name always gives the same rack."""
        rack = shared_rack(self.name)
        self.assertIs(rack, shared_rack(self.name))

    def test_a_rack_ends_with_its_last_holder(self) -> None:
        """A rack without a holder is lost with its machines."""
        rack = shared_rack(self.name)
        rack.machine("a").disk_image = "x"
        del rack
        gc.collect()
        self.assertIsNone(shared_rack(self.name).machine("a").disk_image)

    def test_a_test_can_share_its_own_rack(self) -> None:
        """A test can share its own rack; a second rack with the same name is refused."""
        rack = share(Rack(self.name))
        self.assertIs(rack, shared_rack(self.name))
        self.assertIs(rack, share(rack))
        self.assertRaises(ValueError, share, Rack(self.name))
