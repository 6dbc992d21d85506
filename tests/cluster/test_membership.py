"""Several conductors on one store: each has its share, and what one leaves another takes up."""

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
PATIENCE = 30.0


def member(name: str, group: str = "", drivers: Any = None) -> ConductorRecord:
    return ConductorRecord(name, f"i-{name}", group, DRIVERS if drivers is None else drivers)


class TestRing(TestCase):
    def test_who_joins_or_leaves_moves_only_its_share(self) -> None:
        """Of the nodes of those who stay none moves between them, and the shares are alike."""
        nodes = [new_uuid() for _ in range(3000)]
        three = [member(name) for name in ("a", "b", "c")]
        before = {node: choose_owner(three, node, "fake-hardware", "") for node in nodes}
        after = {node: choose_owner([*three, member("d")], node, "fake-hardware", "") for node in nodes}
        moved = [node for node in nodes if before[node] != after[node]]
        self.assertEqual({"d"}, {after[node] for node in moved})
        self.assertLess(abs(len(moved) - 750), 150)
        gone = {node: choose_owner(three[:2], node, "fake-hardware", "") for node in nodes}
        self.assertEqual({"c"}, {before[node] for node in nodes if before[node] != gone[node]})

    def test_a_node_belongs_to_a_conductor_of_its_group_with_its_driver(self) -> None:
        """Others are never asked, however few there are."""
        members = [member("a", "rack-1"), member("b", "rack-2"), member("c", "rack-2", {"other": {}})]
        node = new_uuid()
        self.assertEqual("a", choose_owner(members, node, "fake-hardware", "rack-1"))
        self.assertEqual("b", choose_owner(members, node, "fake-hardware", "rack-2"))
        self.assertIsNone(choose_owner(members, node, "fake-hardware", "rack-3"))
        self.assertIsNone(choose_conductor(node, []))

    def test_who_is_silent_is_out(self) -> None:
        """A conductor may miss six heartbeats. A liveness source overrides the heartbeats while it can be asked."""
        clock = ManualClock()
        store = MemoryStore(clock)
        for name in ("a", "b"):
            store.register_conductor(member(name))
        living: list[frozenset[str] | None] = [None]
        ring = HashRing(lambda: store, clock, lambda: 10.0, liveness_source=lambda: living[0])
        clock.turn(59)
        store.heartbeat("b", "i-b")
        self.assertEqual(["a", "b"], [one.hostname for one in ring.list_live(fresh=True)])
        clock.turn(2)
        self.assertEqual(["b"], [one.hostname for one in ring.list_live(fresh=True)])
        living[0] = frozenset({"a/i-a"})
        self.assertEqual(["a"], [one.hostname for one in ring.list_live(fresh=True)])

    def test_the_interval_can_change(self) -> None:
        """Who sends signs of life less often, as all do from a reload on, is not out for that."""
        clock, interval = ManualClock(), [10.0]
        store = MemoryStore(clock)
        store.register_conductor(member("a"))
        ring = HashRing(lambda: store, clock, lambda: interval[0])
        clock.turn(61)
        self.assertEqual([], ring.list_live(fresh=True))
        interval[0] = 20.0
        self.assertEqual(["a"], [one.hostname for one in ring.list_live(fresh=True)])


class TestRouting(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = MemoryStore(SystemClock())
        self.router = LiveConductorRouter(self.store, SystemClock(), 10.0)

    def test_calls_go_to_the_group_of_the_node(self) -> None:
        """Where conductors differ, what the node is decides; a group without a conductor is said."""
        for name, group in (("a", "rack-1"), ("b", "rack-2")):
            self.store.register_conductor(member(name, group))
        for group, name in (("rack-1", "a"), ("rack-2", "b")):
            node = NodeRecord(uuid=new_uuid(), driver="fake-hardware", conductor_group=group)
            self.store.create_node(node, fence=None)
            self.assertEqual(name, self.router.choose("change_power_state", {"node": node.uuid}).hostname)
        lost = NodeRecord(uuid=new_uuid(), driver="fake-hardware", conductor_group="rack-3")
        self.store.create_node(lost, fence=None)
        error = self.assertRaises(ConductorUnreachable, self.router.choose, "change_power_state", {"node": lost.uuid})
        self.assertIn("'rack-3'", str(error))

    def test_a_new_node_is_made_by_one_who_knows_its_driver(self) -> None:
        """The conductor checks the driver's information: one that has no such driver could not."""
        self.store.register_conductor(member("a"))
        self.store.register_conductor(member("b", drivers={"other": {}}))
        chosen = {self.router.choose("create_node", {"values": {"driver": "other", "uuid": str(n)}}).hostname for n in range(8)}
        self.assertEqual({"b"}, chosen)

    def test_who_was_lost_is_asked_after_the_others(self) -> None:
        """Until it gives a sign of life: its nodes are free for others, or locked, and that is an answer."""
        for name in ("a", "b"):
            self.store.register_conductor(member(name))
        node = next(uuid for uuid in map(str, range(64)) if self.router.choose("x", {"node": uuid}).hostname == "a")
        self.router.report_failure(self.router.choose("x", {"node": node}))
        self.assertEqual("b", self.router.choose("x", {"node": node}).hostname)
        self.store.heartbeat("a", "i-a")
        self.assertEqual("a", self.router.choose("x", {"node": node}, fresh=True).hostname)

    def test_who_is_silent_is_not_asked(self) -> None:
        """Where there is nobody else the caller is told so at once, and when to come back; a new incarnation is another one."""
        self.store.register_conductor(member("a"))
        alone = self.router.choose("x", {})
        self.router.report_failure(alone)
        self.assertEqual("a", self.router.choose("x", {}).hostname)
        self.router.report_failure(alone, silent=True)
        error = self.assertRaises(ConductorUnreachable, self.router.choose, "x", {})
        self.assertEqual((503, 10.0), (error.code, error.retry_after))
        self.store.register_conductor(ConductorRecord("a", "another", "", DRIVERS))
        self.assertEqual("another", self.router.choose("x", {}).incarnation)


class TestPeers(MachinesCase):
    def pair(self, **options: Any) -> tuple[Conductor, Conductor]:
        first = self.conductor(host="first", **options)
        second = self.conductor(host="second", handed_in={"store": first.store}, **options)
        first.components.membership.ring.refresh()
        return first, second

    def test_each_observes_its_own_share(self) -> None:
        """The power of a node is read by one conductor, and all nodes are somebody's."""
        first, second = self.pair()
        for number in range(40):
            self.enrol(first, f"m{number}")
        for one in (first, second):
            one.components.power_sync.tick()
        self.assertEqual(40, first.components.power_sync.poller.nodes + second.components.power_sync.poller.nodes)
        self.assertNotIn(0, (first.components.power_sync.poller.nodes, second.components.power_sync.poller.nodes))

    def node_of(self, conductor: Conductor, prefix: str) -> NodeRecord:
        """A new node that is *conductor*'s share."""
        for number in range(64):
            node = self.enrol(conductor, f"{prefix}{number}")
            if conductor.components.membership.owns(node):
                return node
        raise AssertionError("none of 64 nodes is its share")

    def test_work_of_a_dead_conductor_is_its_successors(self) -> None:
        """Only the conductor that a node is placed on recovers it."""
        first, second = self.pair()
        node = self.node_of(second, "m")
        first.store.update_node(node.uuid, {"provision_state": "cleaning", "target_provision_state": "available"}, fence=None)
        first.components.recovery.sweep()
        settle(first)
        self.assertEqual("cleaning", first.store.node(node.uuid).provision_state)
        second.components.recovery.sweep()
        settle(second)
        self.assertEqual("clean failed", first.store.node(node.uuid).provision_state)

    def cleaning_by_hand(self, conductor: Conductor, node: str, *steps: str) -> None:
        conductor.rpc.call("change_provision_state", node=node, verb="manage")
        wait_for(conductor, node, "manageable")
        wanted = [{"interface": "deploy", "step": name} for name in steps]
        conductor.rpc.call("change_provision_state", node=node, verb="clean", arguments={"clean_steps": wanted})

    def test_a_run_that_waits_is_polled_by_whom_the_node_is_left_to(self) -> None:
        """When a conductor stops, the polling of its nodes goes on at another one, and what waits is not interrupted."""
        first, second = self.pair()
        node = self.node_of(first, "m")
        self.cleaning_by_hand(first, node.uuid, "burnin")
        wait_for(first, node.uuid, "clean wait")
        first.stop()
        second.components.membership.ring.refresh()
        second.components.recovery.sweep()
        record = wait_for(second, node.uuid, "manageable", PATIENCE)
        self.assertIsNone(record.last_error)

    def test_a_run_is_handed_over_between_two_steps(self) -> None:
        """A conductor that stops ends the step that it is in; the next one is done by another conductor, and nothing fails."""
        config = ConductorConfig(host="first", conductor=quick_options())
        context = running_conductor(config)
        first = context.__enter__()
        second = self.conductor(host="second", handed_in={"store": first.store})
        node = self.node_of(first, "m")
        entered, go_on = threading.Event(), threading.Event()
        states: list[int | None] = []

        def hold(record: NodeRecord) -> None:
            if record.uuid == node.uuid and record.provision_state == "cleaning" and record.run_attempt == 1:
                states.append(record.run_index)
                entered.set()
                go_on.wait(PATIENCE)

        first.subscribe(hold)
        went_on: list[tuple[str, int | None, int]] = []
        second.subscribe(lambda record: went_on.append((record.provision_state, record.run_index, record.run_attempt)))
        self.cleaning_by_hand(first, node.uuid, "erase_devices", "erase_devices_metadata")
        self.assertTrue(entered.wait(PATIENCE))
        stopping = threading.Thread(target=lambda: context.__exit__(None, None, None))
        stopping.start()
        while any(one.hostname == "first" for one in first.store.conductors()):
            threading.Event().wait(0.01)
        go_on.set()
        stopping.join(PATIENCE)
        self.assertFalse(stopping.is_alive())
        second.components.membership.ring.refresh()
        second.components.recovery.sweep()
        record = wait_for(second, node.uuid, "manageable", PATIENCE)
        self.assertIsNone(record.last_error)
        self.assertEqual([0], states)
        self.assertEqual(("cleaning", 1, 1), went_on[0])
