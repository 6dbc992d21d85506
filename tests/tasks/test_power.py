"""Power actions, power sync, and recovery of dead work."""

from __future__ import annotations

from datetime import timedelta

from testtools import ExpectedException

from baremetal_fake.interfaces.deploy import FakeDeploy
from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Kind, NodeLocked, PowerState, PowerStateFailure, Task
from baremetal_sdk import Conductor
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import InvalidState, LeaseLost
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase


class CleaningUpDeploy(FakeDeploy):
    """A deploy interface whose clean-up withdraws the network image."""

    def clean_up(self, task: Task) -> None:
        """Withdraw the image."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = None


def plugins_with_clean_up() -> Plugins:
    """Return the installed plugins with a deploy interface that cleans up instead of the fake one."""
    found = discover()
    found.interfaces[Kind.DEPLOY]["fake"] = CleaningUpDeploy
    return found


class TestPowerActions(MachinesCase):
    def change(self, conductor: Conductor, node: str, target: str) -> NodeRecord:
        """Request a power state, wait for the work, and return the node."""
        conductor.rpc.call("change_power_state", node=node, target=target, timeout=None)
        settle(conductor)
        return conductor.store.node(node)

    def test_each_target_is_reached(self) -> None:
        """The machine and the node reach the outcome of each target, and the node has no target afterwards."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        outcomes = [
            ("power on", "power on"),
            ("rebooting", "power on"),
            ("soft rebooting", "power on"),
            ("soft power off", "power off"),
        ]
        for target, outcome in outcomes:
            record = self.change(conductor, node.uuid, target)
            self.assertEqual(outcome, record.power_state)
            self.assertIsNone(record.target_power_state)
            self.assertIsNone(record.last_error)
            self.assertEqual(Power.ON if outcome == "power on" else Power.OFF, self.machine().power)

    def test_no_command_if_the_state_is_reached_already(self) -> None:
        """A machine that is off gets no power-off command."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        self.change(conductor, node.uuid, "power off")
        self.assertEqual([], self.machine().commands("set_power"))

    def test_lost_command_is_reported(self) -> None:
        """If the machine does not change, the node shows its true power, and last_error gives the likely cause."""
        conductor = self.conductor(power_state_change_timeout=0.2)
        node = self.enroll(conductor, faults={"set_power": {"effect": "lose"}})
        record = self.change(conductor, node.uuid, "power on")
        self.assertEqual("power off", record.power_state)
        self.assertIsNone(record.target_power_state)
        self.assertRegex(record.last_error or "", "did not reach 'power on' within.*the command was lost")

    def test_unknown_target_is_refused(self) -> None:
        """The error lists the allowed targets."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        with ExpectedException(InvalidInput, "target: 'spin'.*power on, power off, rebooting.*"):
            conductor.rpc.call("change_power_state", node=node.uuid, target="spin", timeout=None)

    def test_disable_power_off_is_respected(self) -> None:
        """A request that would power off a node with disable_power_off fails at once."""
        conductor = self.conductor()
        node = self.enroll(conductor, disable_power_off=True)
        with ExpectedException(InvalidState, ".*disable_power_off.*"):
            conductor.rpc.call("change_power_state", node=node.uuid, target="soft power off", timeout=None)

    def test_locked_node_is_refused(self) -> None:
        """The error has the purpose and the holder of the lease, and a time to retry."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        with conductor.acquire("m1", purpose="an experiment"):
            error = self.assertRaises(
                NodeLocked, conductor.rpc.call, "change_power_state", node=node.uuid, target="power on", timeout=None
            )
        self.assertIn("an experiment", str(error))
        self.assertIn("test", str(error.details["holder"]))
        self.assertTrue(error.retry_after and error.retry_after > 0)


class TestTaskPower(MachinesCase):
    def test_state_can_be_text(self) -> None:
        """task.power.set accepts the names that clients use, and refuses an unknown one."""
        conductor = self.conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="test") as task:
            task.power.set("power on")  # type: ignore[arg-type]
            self.assertEqual(Power.ON, self.machine().power)
            with ExpectedException(ValueError, ".*'upside down'.*"):
                task.power.set("upside down")  # type: ignore[arg-type]

    def test_unconfirmed_change_raises(self) -> None:
        """task.power.set raises if the machine does not reach the state in time."""
        conductor = self.conductor()
        self.enroll(conductor, faults={"set_power": {"effect": "lose"}})
        with conductor.acquire("m1", purpose="test") as task:
            self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 0.1)

    def test_task_without_lease_cannot_write(self) -> None:
        """After another conductor acquired the node, a write of the former task fails."""
        clock = ManualClock()
        first = self.conductor(handed_in={"clock": clock})
        self.enroll(first)
        second = self.conductor(host="second", handed_in={"clock": clock, "store": first.store})
        with first.acquire("m1", purpose="slow") as task:
            clock.turn(first.config.conductor.lease_duration + first.config.conductor.bmc_call_timeout + 1)
            with second.acquire("m1", purpose="take-over"):
                self.assertRaises(LeaseLost, task.write, description="too late")
        self.assertIsNone(first.store.node("m1").description)


class TestPowerSync(MachinesCase):
    """Power sync with a manual clock. The interval is 60 s."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def start_conductor(self, **options: int) -> Conductor:
        return self.conductor(handed_in={"clock": self.clock}, **options)

    def requests(self, name: str = "m1") -> int:
        """Return the number of requests that a BMC has received."""
        return self.rack.counters(name).requests

    def turn(self, conductor: Conductor) -> None:
        """Advance the clock so that each node is observed once."""
        conductor.components.power_sync.tick()
        self.clock.turn(70)
        conductor.components.power_sync.tick()
        settle(conductor)

    def test_external_change_is_observed(self) -> None:
        """The next observation stores the new power state, its time and its source."""
        conductor = self.start_conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        self.machine().command_power(PowerState.ON)
        self.turn(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual("power on", record.power_state)
        self.assertEqual("sync", record.power_source)
        self.assertEqual(self.clock.now(), record.power_observed_at)

    def test_unchanged_power_is_not_written(self) -> None:
        """An observation without a change does not change the node's revision."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc")
        before = provision(conductor, node.uuid, "manage").revision
        requests = self.requests()
        self.turn(conductor)
        self.assertEqual(requests + 1, self.requests())
        self.assertEqual(before, conductor.store.node(node.uuid).revision)

    def test_observations_are_spread_over_the_interval(self) -> None:
        """Each node is observed once per interval, and not all at its start."""
        conductor = self.start_conductor()
        for number in range(40):
            provision(conductor, self.enroll(conductor, f"m{number}", power_interface="fake-bmc").uuid, "manage")
        before = sum(self.requests(f"m{number}") for number in range(40))
        conductor.components.power_sync.tick()
        counts = []
        for _ in range(2):
            self.clock.turn(30)
            conductor.components.power_sync.tick()
            settle(conductor)
            counts.append(sum(self.requests(f"m{number}") for number in range(40)) - before)
        self.assertTrue(0 < counts[0] < 40, counts)
        self.assertEqual(40, counts[1])

    def test_leased_node_is_skipped(self) -> None:
        """Power sync sends nothing to the BMC of a node that is leased."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc")
        provision(conductor, node.uuid, "manage")
        before = self.requests()
        uuid = conductor.store.node("m1").uuid
        conductor.store.take_lease(uuid, holder="other/1", purpose="test", duration=1000.0)
        self.turn(conductor)
        self.assertEqual(before, self.requests())

    def test_power_failure_ends_with_the_first_answer(self) -> None:
        """After too many failures, the node is in maintenance with fault 'power failure'. The first success ends both."""
        conductor = self.start_conductor(power_state_sync_max_retries=1)
        node = self.enroll(conductor, faults={"get_power": {"effect": "drop", "nth": 3, "times": 2}})
        provision(conductor, node.uuid, "manage")
        for _ in range(2):
            self.turn(conductor)
        record = conductor.store.node(node.uuid)
        self.assertIs(True, record.maintenance)
        self.assertEqual("power failure", record.fault)
        self.assertIsNone(record.power_state)
        self.turn(conductor)
        record = conductor.store.node(node.uuid)
        self.assertIs(False, record.maintenance)
        self.assertIsNone(record.fault)
        self.assertEqual("power off", record.power_state)


class TestRecovery(MachinesCase):
    def test_dead_work_fails_after_the_grace(self) -> None:
        """After the grace, a node whose conductor died in a deployment is 'deploy failed' with the reason and its true power.

        The deploy interface has removed its leftovers from the machine.
        """
        clock = ManualClock()
        handed_in = {"clock": clock, "plugins": plugins_with_clean_up()}
        conductor = self.conductor(handed_in=handed_in, bmc_call_timeout=10.0)
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        lease, _ = conductor.store.take_lease(node.uuid, holder="dead/1", purpose="deploy", duration=30.0)
        conductor.store.update_node(
            node.uuid,
            {"provision_state": "deploying", "target_provision_state": "active", "power_state": "power off"},
            fence=lease.fence,
        )
        self.machine().command_power(PowerState.ON)
        self.machine().network_image = "fake://left-behind"
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("deploying", conductor.store.node(node.uuid).provision_state)
        # A request of the dead conductor may still be on its way for as long as a call takes.
        clock.turn(39)
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("deploying", conductor.store.node(node.uuid).provision_state)
        clock.turn(2)
        conductor.components.recovery.sweep()
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual("deploy failed", record.provision_state)
        self.assertEqual("power on", record.power_state)
        self.assertIsNone(record.lease_holder)
        self.assertIn("the conductor stopped while it worked on the node", record.last_error or "")
        self.assertIsNone(self.machine().network_image)

    def test_one_sweep_recovers_all_nodes(self) -> None:
        """One sweep recovers all nodes with dead work."""
        conductor = self.conductor()
        for number in range(50):
            node = self.enroll(conductor, f"m{number}")
            conductor.store.update_node(
                node.uuid, {"provision_state": "cleaning", "target_provision_state": "available"}, fence=None
            )
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual({"clean failed"}, {row.provision_state for row in conductor.nodes(fields=("provision_state",))})

    def test_dead_power_action_ends_with_the_observed_power(self) -> None:
        """The target is removed, and last_error has the observed power if it differs from the target."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        conductor.store.update_node(node.uuid, {"target_power_state": "power on"}, fence=None)
        conductor.components.recovery.sweep_power()
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertIsNone(record.target_power_state)
        self.assertEqual("power off", record.power_state)
        self.assertIn("power is 'power off'", record.last_error or "")

    def test_wait_for_an_event_times_out(self) -> None:
        """A wait for an event fails at the timeout of its state."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, clean_callback_timeout=100.0)
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        steps = [{"interface": "deploy", "step": "wait_for_event"}]
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments={"clean_steps": steps})
        settle(conductor)
        entered = conductor.store.node(node.uuid).provision_updated_at
        assert entered is not None
        clock.turn(99)
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("clean wait", conductor.store.node(node.uuid).provision_state)
        clock.turn(2)
        conductor.components.recovery.sweep()
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual("clean failed", record.provision_state)
        self.assertGreater(record.provision_updated_at, entered + timedelta(seconds=100))
        self.assertIn("no event arrived within 100 s", record.last_error or "")
