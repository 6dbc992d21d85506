"""Several conductors on one store: assignment of nodes, routing of calls, and takeover of work."""

from __future__ import annotations

import threading
from typing import Any

from testtools import TestCase

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.cluster.hash_ring import HashRing, choose_conductor, choose_owner
from baremetal_sdk.errors import ConductorUnreachable
from baremetal_sdk.rpc.routing import LiveConductorRouter
from baremetal_sdk.store import MemoryStore, NodeRecord
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.testing import ManualClock, quick_options, running_conductor, settle, wait_for
from tests.fixtures.machines import MachinesCase
from tests.fixtures.stores import new_uuid

DRIVERS: dict[str, Any] = {"fake-hardware": {}}
TIMEOUT_S = 30.0


def member(name: str, group: str = "", drivers: Any = None) -> ConductorRecord:
    """Return the record of a conductor."""
    return ConductorRecord(name, f"i-{name}", group, DRIVERS if drivers is None else drivers)


class TestHashRing(TestCase):
    def test_a_change_of_members_moves_only_their_share(self) -> None:
        """A joining or leaving conductor moves only its own nodes, and all shares are about equal."""
        nodes = [new_uuid() for _ in range(3000)]
        three = [member(name) for name in ("a", "b", "c")]
        before = {node: choose_owner(three, node, "fake-hardware", "") for node in nodes}
        after = {node: choose_owner([*three, member("d")], node, "fake-hardware", "") for node in nodes}
        moved = [node for node in nodes if before[node] != after[node]]
        self.assertEqual({"d"}, {after[node] for node in moved})
        self.assertLess(abs(len(moved) - 750), 150)
        after_leave = {node: choose_owner(three[:2], node, "fake-hardware", "") for node in nodes}
        self.assertEqual({"c"}, {before[node] for node in nodes if before[node] != after_leave[node]})

    def test_a_node_belongs_to_a_conductor_of_its_group_with_its_driver(self) -> None:
        """A node is never assigned to a conductor without its group and driver."""
        members = [member("a", "rack-1"), member("b", "rack-2"), member("c", "rack-2", {"other": {}})]
        node = new_uuid()
        self.assertEqual("a", choose_owner(members, node, "fake-hardware", "rack-1"))
        self.assertEqual("b", choose_owner(members, node, "fake-hardware", "rack-2"))
        self.assertIsNone(choose_owner(members, node, "fake-hardware", "rack-3"))
        self.assertIsNone(choose_conductor(node, []))

    def test_a_silent_conductor_is_dead(self) -> None:
        """A conductor may miss six heartbeats. A liveness source overrides the heartbeats while it can be asked."""
        clock = ManualClock()
        store = MemoryStore(clock)
        for name in ("a", "b"):
            store.register_conductor(member(name))
        live_holders: list[frozenset[str] | None] = [None]
        ring = HashRing(lambda: store, clock, lambda: 10.0, liveness_source=lambda: live_holders[0])
        clock.turn(59)
        store.heartbeat("b", "i-b")
        self.assertEqual(["a", "b"], [record.hostname for record in ring.list_live(fresh=True)])
        clock.turn(2)
        self.assertEqual(["b"], [record.hostname for record in ring.list_live(fresh=True)])
        live_holders[0] = frozenset({"a/i-a"})
        self.assertEqual(["a"], [record.hostname for record in ring.list_live(fresh=True)])

    def test_the_heartbeat_interval_can_change(self) -> None:
        """A longer interval, as after a reload, also raises the age at which a conductor counts as dead."""
        clock, interval = ManualClock(), [10.0]
        store = MemoryStore(clock)
        store.register_conductor(member("a"))
        ring = HashRing(lambda: store, clock, lambda: interval[0])
        clock.turn(61)
        self.assertEqual([], ring.list_live(fresh=True))
        interval[0] = 20.0
        self.assertEqual(["a"], [record.hostname for record in ring.list_live(fresh=True)])


class TestHeartbeatsOfJumpedClocks(TestCase):
    """A conductor whose clock differs from the observer's, or jumps."""

    def setUp(self) -> None:
        super().setUp()
        self.clock, self.remote = ManualClock(), ManualClock()
        self.store = MemoryStore(self.remote)
        self.ring = HashRing(lambda: self.store, self.clock, lambda: 10.0)

    def list_live(self) -> list[str]:
        return [record.hostname for record in self.ring.list_live(fresh=True)]

    def beat(self, seconds: float = 10.0) -> None:
        """Let time pass for both sides, and send a heartbeat."""
        self.remote.turn(seconds)
        self.clock.turn(seconds)
        self.store.heartbeat("a", "i-a")

    def test_a_conductor_whose_clock_jumps_forward_stays_alive_and_can_die(self) -> None:
        """A heartbeat from the future is as old as the observation of it, so its conductor is dead a minute after it."""
        self.store.register_conductor(member("a"))
        self.assertEqual(["a"], self.list_live())
        self.remote.turn(30 * 86400.0)
        self.beat()
        self.assertEqual(["a"], self.list_live())
        self.clock.turn(61.0)
        self.assertEqual([], self.list_live())

    def test_a_conductor_whose_clock_is_behind_is_alive_after_its_next_heartbeat(self) -> None:
        """A heartbeat with an old date counts as soon as the observer sees it change."""
        self.clock.turn(3600.0)
        self.store.register_conductor(member("a"))
        self.assertEqual([], self.list_live())
        self.beat()
        self.assertEqual(["a"], self.list_live())

    def test_a_dead_conductor_is_dead_for_an_observer_that_has_not_looked_for_long(self) -> None:
        """The date of a heartbeat decides within the time for which the observer did not look."""
        self.store.register_conductor(member("a"))
        self.assertEqual(["a"], self.list_live())
        self.beat(300.0)
        self.clock.turn(300.0)
        self.assertEqual([], self.list_live())


class TestRouting(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = MemoryStore(SystemClock())
        self.router = LiveConductorRouter(self.store, SystemClock(), 10.0)

    def test_calls_go_to_the_group_of_the_node(self) -> None:
        """A call goes to a conductor with the node's group. The error for a group without a conductor names the group."""
        for name, group in (("a", "rack-1"), ("b", "rack-2")):
            self.store.register_conductor(member(name, group))
        for group, name in (("rack-1", "a"), ("rack-2", "b")):
            node = NodeRecord(uuid=new_uuid(), driver="fake-hardware", conductor_group=group)
            self.store.create_node(node, fence=None)
            self.assertEqual(name, self.router.choose("change_power_state", {"node": node.uuid}).hostname)
        orphan = NodeRecord(uuid=new_uuid(), driver="fake-hardware", conductor_group="rack-3")
        self.store.create_node(orphan, fence=None)
        error = self.assertRaises(ConductorUnreachable, self.router.choose, "change_power_state", {"node": orphan.uuid})
        self.assertIn("'rack-3'", str(error))

    def test_a_new_node_is_created_by_a_conductor_with_its_driver(self) -> None:
        """create_node goes to a conductor with the driver, because the conductor validates driver_info."""
        self.store.register_conductor(member("a"))
        self.store.register_conductor(member("b", drivers={"other": {}}))
        chosen = {self.router.choose("create_node", {"values": {"driver": "other", "uuid": str(n)}}).hostname for n in range(8)}
        self.assertEqual({"b"}, chosen)

    def test_a_failed_conductor_is_used_after_the_others(self) -> None:
        """After a failure, calls go to other conductors until the failed one sends a heartbeat."""
        for name in ("a", "b"):
            self.store.register_conductor(member(name))
        node = next(uuid for uuid in map(str, range(64)) if self.router.choose("x", {"node": uuid}).hostname == "a")
        self.router.report_failure(self.router.choose("x", {"node": node}))
        self.assertEqual("b", self.router.choose("x", {"node": node}).hostname)
        self.store.heartbeat("a", "i-a")
        self.assertEqual("a", self.router.choose("x", {"node": node}, fresh=True).hostname)

    def test_a_silent_conductor_gets_no_calls(self) -> None:
        """Without another conductor, a call fails at once with a retry time. A new incarnation gets calls again."""
        self.store.register_conductor(member("a"))
        only = self.router.choose("x", {})
        self.router.report_failure(only)
        self.assertEqual("a", self.router.choose("x", {}).hostname)
        self.router.report_failure(only, silent=True)
        error = self.assertRaises(ConductorUnreachable, self.router.choose, "x", {})
        self.assertEqual(503, error.code)
        self.assertEqual(10.0, error.retry_after)
        self.store.register_conductor(ConductorRecord("a", "another", "", DRIVERS))
        self.assertEqual("another", self.router.choose("x", {}).incarnation)


class TestPeers(MachinesCase):
    def start_pair(self, **options: Any) -> tuple[Conductor, Conductor]:
        """Start two conductors on one store."""
        first = self.conductor(host="first", **options)
        second = self.conductor(host="second", handed_in={"store": first.store}, **options)
        first.components.membership.ring.refresh()
        return first, second

    def test_each_observes_its_own_share(self) -> None:
        """Power sync of each node runs in one conductor, and no node is left out."""
        first, second = self.start_pair()
        for number in range(40):
            self.enroll(first, f"m{number}")
        for conductor in (first, second):
            conductor.components.power_sync.tick()
        self.assertEqual(40, first.components.power_sync.poller.nodes + second.components.power_sync.poller.nodes)
        self.assertNotIn(0, (first.components.power_sync.poller.nodes, second.components.power_sync.poller.nodes))

    def enrol_owned_node(self, conductor: Conductor, prefix: str) -> NodeRecord:
        """Enrol a node that is assigned to *conductor*."""
        for number in range(64):
            node = self.enroll(conductor, f"{prefix}{number}")
            if conductor.components.membership.owns(node):
                return node
        raise AssertionError("none of 64 nodes was assigned to the conductor")

    def test_a_node_is_recovered_by_its_owner_only(self) -> None:
        """Only the conductor that a node is assigned to recovers it."""
        first, second = self.start_pair()
        node = self.enrol_owned_node(second, "m")
        first.store.update_node(node.uuid, {"provision_state": "cleaning", "target_provision_state": "available"}, fence=None)
        first.components.recovery.sweep()
        settle(first)
        self.assertEqual("cleaning", first.store.node(node.uuid).provision_state)
        second.components.recovery.sweep()
        settle(second)
        self.assertEqual("clean failed", first.store.node(node.uuid).provision_state)

    def start_manual_cleaning(self, conductor: Conductor, node: str, *steps: str) -> None:
        """Manage a node and start these clean steps."""
        conductor.rpc.call("change_provision_state", node=node, verb="manage")
        wait_for(conductor, node, "manageable")
        clean_steps = [{"interface": "deploy", "step": name} for name in steps]
        conductor.rpc.call("change_provision_state", node=node, verb="clean", arguments={"clean_steps": clean_steps})

    def test_a_waiting_run_is_polled_by_the_next_owner(self) -> None:
        """When a conductor stops, another one polls its waiting nodes, and their runs are not interrupted."""
        first, second = self.start_pair()
        node = self.enrol_owned_node(first, "m")
        self.start_manual_cleaning(first, node.uuid, "burnin")
        wait_for(first, node.uuid, "clean wait")
        first.stop()
        second.components.membership.ring.refresh()
        second.components.recovery.sweep()
        record = wait_for(second, node.uuid, "manageable", TIMEOUT_S)
        self.assertIsNone(record.last_error)

    def test_a_run_is_handed_over_between_steps(self) -> None:
        """A stopping conductor finishes its current step. Another conductor runs the next step, and nothing fails."""
        config = ConductorConfig(host="first", conductor=quick_options())
        context = running_conductor(config)
        first = context.__enter__()
        second = self.conductor(host="second", handed_in={"store": first.store})
        node = self.enrol_owned_node(first, "m")
        entered, go_on = threading.Event(), threading.Event()
        states: list[int | None] = []

        def hold(record: NodeRecord) -> None:
            if record.uuid == node.uuid and record.provision_state == "cleaning" and record.run_attempt == 1:
                states.append(record.run_index)
                entered.set()
                go_on.wait(TIMEOUT_S)

        first.subscribe(hold)
        continued: list[tuple[str, int | None, int]] = []
        second.subscribe(lambda record: continued.append((record.provision_state, record.run_index, record.run_attempt)))
        self.start_manual_cleaning(first, node.uuid, "erase_devices", "erase_devices_metadata")
        self.assertTrue(entered.wait(TIMEOUT_S))
        stopping = threading.Thread(target=lambda: context.__exit__(None, None, None))
        stopping.start()
        while any(record.hostname == "first" for record in first.store.conductors()):
            threading.Event().wait(0.01)
        go_on.set()
        stopping.join(TIMEOUT_S)
        self.assertFalse(stopping.is_alive())
        second.components.membership.ring.refresh()
        second.components.recovery.sweep()
        record = wait_for(second, node.uuid, "manageable", TIMEOUT_S)
        self.assertIsNone(record.last_error)
        self.assertEqual([0], states)
        self.assertEqual(("cleaning", 1, 1), continued[0])
