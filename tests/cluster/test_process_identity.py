"""Detection that an earlier process is dead."""

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

PROGRAM = (
    "from baremetal_sdk.cluster import process_identity; print(process_identity.describe_current_process(), flush=True); input()"
)


class TestProcessIdentity(TestCase):
    def start_process(self) -> tuple[subprocess.Popen[str], str]:
        """Start another process, and return it with its identity."""
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()

    def test_a_process_is_dead_after_its_end(self) -> None:
        """A running, a stopped and the current process are not dead. A killed process is."""
        process, description = self.start_process()
        self.assertFalse(process_identity.is_dead(description))
        process.send_signal(signal.SIGSTOP)
        self.assertFalse(process_identity.is_dead(description))
        self.kill(process)
        self.assertTrue(process_identity.is_dead(description))
        self.assertFalse(process_identity.is_dead(str(process_identity.describe_current_process())))

    def test_a_reused_pid_is_another_process(self) -> None:
        """A process with the same PID but another start time is dead."""
        scope, pid, _ = str(process_identity.describe_current_process()).rsplit(" ", 2)
        self.assertTrue(process_identity.is_dead(f"{scope} {pid} 1"))

    def test_nothing_is_known_about_other_machines(self) -> None:
        """A process of another boot or container, or with a malformed identity, does not count as dead."""
        process, description = self.start_process()
        self.kill(process)
        _, _, rest = description.partition(" ")
        for other in (f"elsewhere {rest}", "", "nonsense", description.split(" ")[0], f"{description.split(' ')[0]} x y"):
            self.assertFalse(process_identity.is_dead(other), other)

    def test_the_leases_of_a_dead_process_end_when_its_successor_joins(self) -> None:
        """Only the leases of the dead incarnation with the same host name end. Others have to expire."""
        process, description = self.start_process()
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
