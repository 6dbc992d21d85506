"""Power: confirmed when it is changed, observed when nobody asks."""

from __future__ import annotations

from datetime import timedelta

from testtools import ExpectedException

from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, NodeLocked, PowerState, PowerStateFailure
from baremetal_sdk import Conductor
from baremetal_sdk.errors import InvalidState, LeaseLost
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase


class TestChanging(MachinesCase):
    def change(self, conductor: object, node: str, target: str) -> object:
        conductor.rpc.call("change_power_state", node=node, target=target, timeout=None)  # type: ignore[attr-defined]
        settle(conductor)  # type: ignore[arg-type]
        return conductor.store.node(node)  # type: ignore[attr-defined]

    def test_each_target_ends_in_its_outcome(self) -> None:
        """Each state that can be asked for is reached by the machine and shown by the node, and no target is left."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        outcomes = [
            ("power on", "power on"),
            ("rebooting", "power on"),
            ("soft rebooting", "power on"),
            ("soft power off", "power off"),
        ]
        for target, outcome in outcomes:
            record = self.change(conductor, node.uuid, target)
            seen = (record.power_state, record.target_power_state, record.last_error)  # type: ignore[attr-defined]
            self.assertEqual((outcome, None, None), seen)
            self.assertEqual(Power.ON if outcome == "power on" else Power.OFF, self.machine().power)

    def test_what_is_already_so_is_not_commanded(self) -> None:
        """A machine that is off is not sent an off."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        self.change(conductor, node.uuid, "power off")
        self.assertEqual([], self.machine().commands("set_power"))

    def test_a_lost_command_is_an_error_that_says_so(self) -> None:
        """When the machine does not get there the node says what it is and why that is wrong."""
        conductor = self.conductor(power_state_change_timeout=0.2)
        node = self.enrol(conductor, faults={"set_power": {"effect": "lose"}})
        record = self.change(conductor, node.uuid, "power on")
        self.assertEqual(("power off", None), (record.power_state, record.target_power_state))  # type: ignore[attr-defined]
        self.assertRegex(record.last_error, "did not reach 'power on' within.*the command was lost")  # type: ignore[attr-defined]

    def test_an_unknown_target_is_refused_with_those_there_are(self) -> None:
        """The error names the targets."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        with ExpectedException(InvalidInput, "target: 'spin'.*power on, power off, rebooting.*"):
            conductor.rpc.call("change_power_state", node=node.uuid, target="spin", timeout=None)

    def test_a_machine_that_must_stay_on_is_not_switched_off(self) -> None:
        """disable_power_off refuses what would switch the machine off, at once."""
        conductor = self.conductor()
        node = self.enrol(conductor, disable_power_off=True)
        with ExpectedException(InvalidState, ".*disable_power_off.*"):
            conductor.rpc.call("change_power_state", node=node.uuid, target="soft power off", timeout=None)

    def test_a_locked_node_is_refused_with_who_holds_it(self) -> None:
        """The error says for what the node is held, and when to come back."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        with conductor.acquire("m1", purpose="an experiment"):
            error = self.assertRaises(
                NodeLocked, conductor.rpc.call, "change_power_state", node=node.uuid, target="power on", timeout=None
            )
        self.assertIn("an experiment", str(error))
        self.assertIn("test", str(error.details["holder"]))
        self.assertTrue(error.retry_after and error.retry_after > 0)


class TestTaskPower(MachinesCase):
    def test_a_state_can_be_given_as_text(self) -> None:
        """What clients call a state is understood; what is none is refused with its name."""
        conductor = self.conductor()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="test") as task:
            task.power.set("power on")  # type: ignore[arg-type]
            self.assertEqual(Power.ON, self.machine().power)
            with ExpectedException(ValueError, ".*'upside down'.*"):
                task.power.set("upside down")  # type: ignore[arg-type]

    def test_an_unconfirmed_change_raises(self) -> None:
        """task.power.set raises when the machine does not get there."""
        conductor = self.conductor()
        self.enrol(conductor, faults={"set_power": {"effect": "lose"}})
        with conductor.acquire("m1", purpose="test") as task:
            self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 0.1)

    def test_a_task_without_its_lease_writes_nothing(self) -> None:
        """When the lease has expired and somebody else took the node, a write of the task is refused."""
        clock = ManualClock()
        first = self.conductor(handed_in={"clock": clock})
        self.enrol(first)
        second = self.conductor(host="second", handed_in={"clock": clock, "store": first.store})
        with first.acquire("m1", purpose="slow") as task:
            clock.turn(first.config.conductor.lease_duration + first.config.conductor.bmc_call_timeout + 1)
            with second.acquire("m1", purpose="take-over"):
                self.assertRaises(LeaseLost, task.write, description="too late")
        self.assertIsNone(first.store.node("m1").description)


class TestSync(MachinesCase):
    """Power sync by a clock that is turned: one interval is 60 s."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()

    def synced(self, **options: int) -> Conductor:
        return self.conductor(handed_in={"clock": self.clock}, **options)

    def requests(self, name: str = "m1") -> int:
        """What a BMC was asked so far."""
        return self.rack.counters(name).requests

    def turn(self, conductor: Conductor) -> None:
        """Let every node be observed once."""
        conductor.components.power_sync.tick()
        self.clock.turn(70)
        conductor.components.power_sync.tick()
        settle(conductor)

    def test_a_change_behind_our_back_is_seen(self) -> None:
        """The next observation stores what the machine is, when that was, and who saw it."""
        conductor = self.synced()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage")
        self.machine().command_power(PowerState.ON)
        self.turn(conductor)
        record = conductor.store.node(node.uuid)
        seen = (record.power_state, record.power_source, record.power_observed_at)
        self.assertEqual(("power on", "sync", self.clock.now()), seen)

    def test_nothing_is_written_when_nothing_changed(self) -> None:
        """An observation that is no news leaves the node's revision as it is."""
        conductor = self.synced()
        node = self.enrol(conductor, power_interface="fake-bmc")
        before = provision(conductor, node.uuid, "manage").revision
        requests = self.requests()
        self.turn(conductor)
        self.assertEqual(requests + 1, self.requests())
        self.assertEqual(before, conductor.store.node(node.uuid).revision)

    def test_nodes_are_spread_over_the_interval(self) -> None:
        """Each node is observed once in an interval, and not all of them at its beginning."""
        conductor = self.synced()
        for number in range(40):
            provision(conductor, self.enrol(conductor, f"m{number}", power_interface="fake-bmc").uuid, "manage")
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

    def test_a_leased_node_is_left_alone(self) -> None:
        """Nobody asks the BMC of a node that a task works on."""
        conductor = self.synced()
        node = self.enrol(conductor, power_interface="fake-bmc")
        provision(conductor, node.uuid, "manage")
        before = self.requests()
        uuid = conductor.store.node("m1").uuid
        conductor.store.take_lease(uuid, holder="other/1", purpose="test", duration=1000.0)
        self.turn(conductor)
        self.assertEqual(before, self.requests())

    def test_a_bmc_that_stays_away_is_a_fault_that_heals(self) -> None:
        """After too many failures the node is in maintenance with fault 'power failure'; the first answer ends that."""
        conductor = self.synced(power_state_sync_max_retries=1)
        node = self.enrol(conductor, faults={"get_power": {"effect": "drop", "nth": 3, "times": 2}})
        provision(conductor, node.uuid, "manage")
        for _ in range(2):
            self.turn(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual((True, "power failure", None), (record.maintenance, record.fault, record.power_state))
        self.turn(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual((False, None, "power off"), (record.maintenance, record.fault, record.power_state))


class TestRecovery(MachinesCase):
    def test_dead_work_fails_with_observed_power(self) -> None:
        """A node that a dead conductor was deploying is 'deploy failed' with the reason, and its power is what it is."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, bmc_call_timeout=10.0)
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        lease, _ = conductor.store.take_lease(node.uuid, holder="dead/1", purpose="deploy", duration=30.0)
        conductor.store.update_node(
            node.uuid,
            {"provision_state": "deploying", "target_provision_state": "active", "power_state": "power off"},
            fence=lease.fence,
        )
        self.machine().command_power(PowerState.ON)
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("deploying", conductor.store.node(node.uuid).provision_state)
        # What the dead one sent last may still be on its way for as long as a call takes.
        clock.turn(39)
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("deploying", conductor.store.node(node.uuid).provision_state)
        clock.turn(2)
        conductor.components.recovery.sweep()
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual(("deploy failed", "power on", None), (record.provision_state, record.power_state, record.lease_holder))
        self.assertIn("the conductor stopped while it worked on the node", record.last_error or "")

    def test_every_dead_node_is_recovered(self) -> None:
        """One sweep deals with all of them, however many there are."""
        conductor = self.conductor()
        for number in range(50):
            node = self.enrol(conductor, f"m{number}")
            conductor.store.update_node(
                node.uuid, {"provision_state": "cleaning", "target_provision_state": "available"}, fence=None
            )
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual({"clean failed"}, {row.provision_state for row in conductor.nodes(fields=("provision_state",))})

    def test_a_dead_power_action_ends_in_what_is_observed(self) -> None:
        """No target is left, and the error says what power is when it is not what was wanted."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        conductor.store.update_node(node.uuid, {"target_power_state": "power on"}, fence=None)
        conductor.components.recovery.sweep_power()
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual((None, "power off"), (record.target_power_state, record.power_state))
        self.assertIn("power is 'power off'", record.last_error or "")

    def test_a_wait_that_is_too_long_fails(self) -> None:
        """A wait for an event ends at the timeout of its state."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, clean_callback_timeout=100.0)
        node = self.enrol(conductor)
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
