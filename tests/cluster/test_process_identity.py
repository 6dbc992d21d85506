"""What can be known of a process that was here before: that it is dead, or nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

from testtools import TestCase

from baremetal_sdk.cluster import process_identity
from baremetal_sdk.cluster.hash_ring import HashRing
from baremetal_sdk.cluster.membership import Membership
from baremetal_sdk.store import MemoryStore, NodeRecord
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.testing import ManualClock, running_conductor
from tests.fixtures.stores import new_uuid

SAYS = (
    "from baremetal_sdk.cluster import process_identity; print(process_identity.describe_current_process(), flush=True); input()"
)


class TestOwnProcess(TestCase):
    def other(self) -> tuple[subprocess.Popen[str], str]:
        """Another process, and how it describes itself."""
        process = subprocess.Popen([sys.executable, "-c", SAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()

    def test_a_process_is_dead_once_it_is_gone(self) -> None:
        """One that runs or stands still is not; neither is this one."""
        process, description = self.other()
        self.assertFalse(process_identity.is_dead(description))
        process.send_signal(signal.SIGSTOP)
        self.assertFalse(process_identity.is_dead(description))
        self.kill(process)
        self.assertTrue(process_identity.is_dead(description))
        self.assertFalse(process_identity.is_dead(str(process_identity.describe_current_process())))

    def test_a_number_that_is_used_again_is_another_process(self) -> None:
        """The time of the start tells them apart."""
        place, number, _ = str(process_identity.describe_current_process()).rsplit(" ", 2)
        self.assertTrue(process_identity.is_dead(f"{place} {number} 1"))

    def test_nothing_is_known_of_other_machines(self) -> None:
        """Another boot, another container, or what nobody has written: not known to be dead."""
        process, description = self.other()
        self.kill(process)
        _, _, rest = description.partition(" ")
        for other in (f"elsewhere {rest}", "", "nonsense", description.split(" ")[0], f"{description.split(' ')[0]} x y"):
            self.assertFalse(process_identity.is_dead(other), other)

    def test_what_a_dead_process_held_is_free_for_its_successor(self) -> None:
        """Of the same name, and of that incarnation alone; while it may live, its leases have to expire."""
        process, description = self.other()
        store = MemoryStore(ManualClock())
        node, other = (store.create_node(NodeRecord(uuid=new_uuid()), fence=None) for _ in range(2))
        store.take_lease(node.uuid, holder="a/1", purpose="deploy", duration=600.0)
        store.take_lease(other.uuid, holder="a/2", purpose="deploy", duration=600.0)
        with running_conductor() as conductor:

            def join(incarnation: str, process: str | None) -> str | None:
                store.register_conductor(ConductorRecord("a", incarnation, process=process))
                ring = HashRing(lambda: store, ManualClock(), lambda: 10.0)
                Membership(store, conductor.drivers, ring, "a", "3", "").join()
                return store.node(node.uuid).lease_holder

            self.assertEqual("a/1", join("1", f"1 {description}"))
            self.kill(process)
            self.assertEqual("a/1", join("1", None))
            self.assertEqual("a/1", join("1", f"0 {description}"))
            self.assertIsNone(join("1", f"1 {description}"))
        self.assertEqual("a/2", store.node(other.uuid).lease_holder)
