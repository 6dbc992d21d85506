"""The engine of power sync: who is read when, by how many, and what is written of it."""

from __future__ import annotations

from baremetal_fake.connector import FakeConnector
from baremetal_interfaces import PowerState
from baremetal_sdk import Conductor
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase


class TestEngine(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def managed(self, conductor: Conductor, name: str, **values: object) -> str:
        node = self.enrol(conductor, name, power_interface="fake-bmc", **values)
        provision(conductor, node.uuid, "manage")
        return node.uuid

    def turn(self, conductor: Conductor, seconds: float = 70.0) -> None:
        self.clock.turn(seconds)
        conductor.components.power_sync.tick()
        settle(conductor)

    def test_a_bmc_that_serves_somebody_else_is_not_waited_for(self) -> None:
        """It is passed over at once, and read a little later; that is no failure."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_state_sync_max_retries=0)
        node = self.managed(conductor, "m1")
        conductor.components.power_sync.tick()
        self.machine().command_power(PowerState.ON)
        with conductor.components.tasks.read_only(node).session(FakeConnector):
            self.turn(conductor)
            self.assertEqual("power off", conductor.store.node(node).power_state)
        self.turn(conductor, 3.0)
        record = conductor.store.node(node)
        self.assertEqual(("power on", None), (record.power_state, record.fault))

    def test_what_is_dead_is_read_by_itself(self) -> None:
        """A BMC that is away is in a line of its own, until it answers."""
        conductor = self.conductor(handed_in={"clock": self.clock})
        node = self.managed(conductor, "m1", faults={"get_power": {"effect": "drop", "nth": 3, "times": 1}})
        conductor.components.power_sync.tick()
        sync = conductor.components.power_sync
        self.turn(conductor)
        self.assertEqual((1, 0), (sync.poller.unreachable_nodes, sync.answers))
        self.turn(conductor)
        self.assertEqual((0, 1), (sync.poller.unreachable_nodes, sync.answers))
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_a_state_that_does_not_last_is_told_from_a_change_behind_our_back(self) -> None:
        """The history has both, by what was seen last and who saw it."""
        conductor = self.conductor(handed_in={"clock": self.clock})
        node = self.managed(conductor, "m1")
        conductor.rpc.call("change_power_state", node=node, target="power on", timeout=None)
        settle(conductor)
        self.assertEqual("command", conductor.store.node(node).power_source)
        conductor.components.power_sync.tick()
        self.machine().command_power(PowerState.OFF)
        with self.assertLogs("baremetal_sdk.power_sync", "WARNING") as bounced:
            self.turn(conductor)
        self.assertIn("it did not last", bounced.output[0])
        self.machine().command_power(PowerState.ON)
        with self.assertLogs("baremetal_sdk.power_sync", "WARNING") as changed:
            self.turn(conductor)
        self.assertIn("without being asked", changed.output[0])

    def test_power_that_nobody_has_observed_for_long_is_unknown(self) -> None:
        """A node in maintenance is not looked at: what was seen of it counts for a time, and when it was seen stays known."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_unknown_after=300.0)
        node = self.managed(conductor, "m1")
        conductor.components.power_sync.tick()
        seen_at = conductor.store.node(node).power_observed_at
        conductor.rpc.call("update_node", node=node, changes={"maintenance": True})
        for _ in range(4):
            self.turn(conductor)
        self.assertEqual("power off", conductor.store.node(node).power_state)
        self.turn(conductor)
        record = conductor.store.node(node)
        self.assertEqual((None, seen_at, None), (record.power_state, record.power_observed_at, record.fault))
        conductor.rpc.call("update_node", node=node, changes={"maintenance": False})
        self.turn(conductor)
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_power_stays_as_it_was_seen_where_that_is_wanted(self) -> None:
        """Without a limit nothing ages."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_unknown_after=0.0)
        node = self.managed(conductor, "m1")
        conductor.rpc.call("update_node", node=node, changes={"maintenance": True})
        for _ in range(3):
            self.turn(conductor, 1000.0)
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_a_bmc_that_is_busy_is_no_failure(self) -> None:
        """It is asked again when it said, a little later."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_state_sync_max_retries=0)
        node = self.managed(conductor, "m1", faults={"get_power": {"effect": "busy", "nth": 3, "times": 1}})
        conductor.components.power_sync.tick()
        self.machine().command_power(PowerState.ON)
        self.turn(conductor)
        self.assertEqual(("power off", None), (conductor.store.node(node).power_state, conductor.store.node(node).fault))
        self.turn(conductor, 4.0)
        self.assertEqual("power on", conductor.store.node(node).power_state)

    def test_credentials_that_change_are_used_by_the_next_look(self) -> None:
        """Nothing of the old ones is kept beyond the change of the node."""
        conductor = self.conductor(handed_in={"clock": self.clock})
        node = self.managed(conductor, "m1")
        sync = conductor.components.power_sync
        self.assertIsNone(sync.observe(node))
        logins = self.rack.counters("m1").logins
        info = {**conductor.store.node(node).driver_info, "fake_username": "admin", "fake_password": "new"}
        conductor.rpc.call("update_node", node=node, changes={"driver_info": info})
        self.assertIsNone(sync.observe(node))
        self.assertEqual(logins + 1, self.rack.counters("m1").logins)
