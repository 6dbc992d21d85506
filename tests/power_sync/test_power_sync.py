"""Power sync: which nodes it reads when, and what it stores."""

from __future__ import annotations

from baremetal_fake.connector import FakeConnector
from baremetal_interfaces import PowerState
from baremetal_sdk import Conductor
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase


class TestPowerSync(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def managed(self, conductor: Conductor, name: str, **values: object) -> str:
        node = self.enroll(conductor, name, power_interface="fake-bmc", **values)
        provision(conductor, node.uuid, "manage")
        return node.uuid

    def turn(self, conductor: Conductor, seconds: float = 70.0) -> None:
        self.clock.turn(seconds)
        conductor.components.power_sync.tick()
        settle(conductor)

    def test_a_bmc_that_serves_other_requests_is_not_waited_for(self) -> None:
        """Power sync skips a busy BMC at once and reads it a little later, without counting a failure."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_state_sync_max_retries=0)
        node = self.managed(conductor, "m1")
        conductor.components.power_sync.tick()
        self.machine().command_power(PowerState.ON)
        with conductor.components.tasks.read_only(node).session(FakeConnector):
            self.turn(conductor)
            self.assertEqual("power off", conductor.store.node(node).power_state)
        self.turn(conductor, 3.0)
        record = conductor.store.node(node)
        self.assertEqual("power on", record.power_state)
        self.assertIsNone(record.fault)

    def test_an_unreachable_bmc_has_its_own_queue(self) -> None:
        """An unreachable BMC stays in the queue for unreachable BMCs until it answers."""
        conductor = self.conductor(handed_in={"clock": self.clock})
        node = self.managed(conductor, "m1", faults={"get_power": {"effect": "drop", "nth": 3, "times": 1}})
        conductor.components.power_sync.tick()
        sync = conductor.components.power_sync
        self.turn(conductor)
        self.assertEqual(1, sync.poller.unreachable_nodes)
        self.assertEqual(0, sync.answers)
        self.turn(conductor)
        self.assertEqual(0, sync.poller.unreachable_nodes)
        self.assertEqual(1, sync.answers)
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_a_state_that_does_not_last_differs_from_an_external_change(self) -> None:
        """The log distinguishes a commanded state that did not last from a change that no task requested."""
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
        self.assertIn("no task requested this change", changed.output[0])

    def test_a_stale_power_state_becomes_unknown(self) -> None:
        """A node in maintenance is not observed. Its power becomes unknown, and the time of the last observation stays."""
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
        self.assertIsNone(record.power_state)
        self.assertEqual(seen_at, record.power_observed_at)
        self.assertIsNone(record.fault)
        conductor.rpc.call("update_node", node=node, changes={"maintenance": False})
        self.turn(conductor)
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_without_a_limit_no_state_becomes_unknown(self) -> None:
        """With ``power_unknown_after`` 0 the last observed state is kept."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_unknown_after=0.0)
        node = self.managed(conductor, "m1")
        conductor.rpc.call("update_node", node=node, changes={"maintenance": True})
        for _ in range(3):
            self.turn(conductor, 1000.0)
        self.assertEqual("power off", conductor.store.node(node).power_state)

    def test_a_busy_bmc_is_not_a_failure(self) -> None:
        """A BMC that answers that it is busy is read again after the time that it names."""
        conductor = self.conductor(handed_in={"clock": self.clock}, power_state_sync_max_retries=0)
        node = self.managed(conductor, "m1", faults={"get_power": {"effect": "busy", "nth": 3, "times": 1}})
        conductor.components.power_sync.tick()
        self.machine().command_power(PowerState.ON)
        self.turn(conductor)
        record = conductor.store.node(node)
        self.assertEqual("power off", record.power_state)
        self.assertIsNone(record.fault)
        self.turn(conductor, 4.0)
        self.assertEqual("power on", conductor.store.node(node).power_state)

    def test_changed_credentials_apply_at_the_next_observation(self) -> None:
        """A changed node gets a new power reader with the new credentials."""
        conductor = self.conductor(handed_in={"clock": self.clock})
        node = self.managed(conductor, "m1")
        sync = conductor.components.power_sync
        self.assertIsNone(sync.observe(node))
        logins = self.rack.counters("m1").logins
        info = {**conductor.store.node(node).driver_info, "fake_username": "admin", "fake_password": "new"}
        conductor.rpc.call("update_node", node=node, changes={"driver_info": info})
        self.assertIsNone(sync.observe(node))
        self.assertEqual(logins + 1, self.rack.counters("m1").logins)
