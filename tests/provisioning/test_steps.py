"""The step engine: waits, holds, polls, timeouts, dead conductors and late resumes."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from testtools import ExpectedException

from baremetal_fake.interfaces import deploy
from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Kind, Phase, PowerState
from baremetal_sdk import Conductor, states
from baremetal_sdk.provisioning import steps
from baremetal_sdk.provisioning.step_entry import StepRequest
from baremetal_sdk.store.outbox import START
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import ManualClock, provision, settle, wait_for
from tests.fixtures.machines import MachinesCase


class StepsCase(MachinesCase):
    """A manageable node for manual cleaning."""

    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.runtime = self.conductor(handed_in={"clock": self.clock}, **self.options)
        self.node = self.enroll(self.runtime)
        provision(self.runtime, self.node.uuid, "manage")

    def clean(self, *requested: dict[str, Any]) -> NodeRecord:
        """Run clean steps, each given as ``interface``, ``step`` and ``args``."""
        return self.request("clean", clean_steps=list(requested))

    def request(self, verb: str, **arguments: Any) -> NodeRecord:
        self.runtime.rpc.call("change_provision_state", node=self.node.uuid, verb=verb, arguments=arguments)
        settle(self.runtime)
        return self.record()

    def record(self) -> NodeRecord:
        return self.runtime.store.node(self.node.uuid)


class TestBuiltinSteps(StepsCase):
    def test_power_steps_change_the_power(self) -> None:
        """Each node has the step power_on, and its result is confirmed."""
        record = self.clean({"interface": "power", "step": "power_on"})
        self.assertEqual("manageable", record.provision_state)
        self.assertEqual("power on", record.power_state)
        self.assertEqual(Power.ON, self.machine().power)

    def test_builtin_step_is_found_by_its_name_alone(self) -> None:
        """A request for a builtin step may name any interface, in each phase that has builtin steps."""
        driver = self.runtime.drivers.compose("fake-hardware", {})
        for phase in (Phase.CLEAN, Phase.DEPLOY, Phase.SERVICE):
            for kind in Kind:
                for name in ("power_on", "power_off", "reboot", "hold", "wait"):
                    entries = steps.resolve_requested_steps(driver, phase, [StepRequest(str(kind), name, {})])
                    self.assertEqual([(str(kind), name, True)], [(e.interface, e.step, e.is_builtin) for e in entries])
        with ExpectedException(InvalidInput, "verify_steps/0: this node has no verify step deploy.reboot"):
            steps.resolve_requested_steps(driver, Phase.VERIFY, [StepRequest("deploy", "reboot", {})])
        with ExpectedException(InvalidInput, "clean_steps/0: this node has no clean step magic.reboot"):
            steps.resolve_requested_steps(driver, Phase.CLEAN, [StepRequest("magic", "reboot", {})])

    def test_builtin_steps_of_other_interfaces_run(self) -> None:
        """The step changes the power and holds the run, and the node shows it under the interface of the request."""
        record = self.clean({"interface": "raid", "step": "power_on"}, {"interface": "bios", "step": "hold"})
        self.assertEqual("clean hold", record.provision_state)
        self.assertEqual("power on", record.power_state)
        self.assertEqual(("bios", "hold"), (record.clean_step["interface"], record.clean_step["step"]))

    def test_unhold_continues_a_held_run(self) -> None:
        """The step hold stops the run and releases the node, and unhold continues with the next step."""
        record = self.clean({"interface": "power", "step": "hold"}, {"interface": "power", "step": "power_on"})
        self.assertEqual("clean hold", record.provision_state)
        self.assertIsNone(record.lease_holder)
        self.assertEqual("power off", record.power_state)
        self.runtime.rpc.call("change_provision_state", node=self.node.uuid, verb="unhold")
        record = wait_for(self.runtime, self.node.uuid, "manageable")
        self.assertEqual("power on", record.power_state)

    def test_wait_step_ends_after_its_seconds(self) -> None:
        """The step wait releases the node, and the run continues after its seconds."""
        self.clean({"interface": "power", "step": "wait", "args": {"seconds": 0.01}})
        self.assertEqual({}, wait_for(self.runtime, self.node.uuid, "manageable").clean_step)

    def test_unknown_argument_is_refused(self) -> None:
        """The error names an argument that a builtin step does not take."""
        with ExpectedException(InvalidInput, "clean_steps/0/args/minutes: is not an argument.*seconds"):
            self.clean({"interface": "power", "step": "wait", "args": {"minutes": 1}})


class TestProgress(StepsCase):
    def waiting(self) -> steps.WaitingRun:
        found = steps.current_wait(self.record())
        assert found is not None
        return found

    def test_late_resume_changes_nothing(self) -> None:
        """A resume for another position of the run, or for another run, changes nothing."""
        wait = {"interface": "deploy", "step": "wait_for_event"}
        self.clean(wait, wait)
        first = self.waiting()
        resumer = self.runtime.components.step_resumer
        resumer.poll(self.node.uuid, steps.WaitingRun(first.run_id, first.index, first.attempt + 1, None))
        resumer.poll(self.node.uuid, steps.WaitingRun("another run", first.index, first.attempt, None))
        settle(self.runtime)
        self.assertEqual(first, self.waiting())

    def test_node_shows_the_waiting_step(self) -> None:
        """While a step waits, the node shows it in clean_step."""
        record = self.clean({"interface": "deploy", "step": "wait_for_event"})
        self.assertEqual("clean wait", record.provision_state)
        self.assertEqual("wait_for_event", record.clean_step["step"])


class TestWaitTimeouts(StepsCase):
    """Waits with a clean_callback_timeout of 100 s."""

    options: ClassVar[dict[str, Any]] = {"clean_callback_timeout": 100.0}

    def setUp(self) -> None:
        super().setUp()
        # The timer never polls in these tests.
        self.patch(deploy, "POLL_INTERVAL_S", 100_000.0)

    def poll(self) -> NodeRecord:
        """Poll the waiting step as the timer does, and return the node."""
        waiting = steps.current_wait(self.record())
        assert waiting is not None
        self.runtime.components.step_resumer.poll(self.node.uuid, waiting)
        return self.record()

    def sweep(self) -> NodeRecord:
        self.runtime.components.recovery.sweep()
        settle(self.runtime)
        return self.record()

    def test_polls_do_not_restart_the_timeout(self) -> None:
        """A polled step that never finishes fails at its timeout with its name, and the power is observed."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        self.machine().command_power(PowerState.ON)
        for _ in range(4):
            self.clock.turn(25)
            self.assertEqual("clean wait", self.poll().provision_state)
        self.clock.turn(1)
        record = self.poll()
        self.assertEqual("clean failed", record.provision_state)
        self.assertEqual("power on", record.power_state)
        self.assertIsNone(record.lease_holder)
        self.assertIn("step deploy.burnin did not finish within 100 s", record.last_error or "")

    def test_event_for_a_waiting_step_is_published_once(self) -> None:
        """Events report once that a step started and once that it waits, however often it is polled."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        for _ in range(3):
            self.poll()
        events = [json.loads(event.content) for event in self.runtime.store.outbox.read(START, 1000) if event.kind == "step"]
        self.assertEqual(["started", "waiting"], [event["status"] for event in events])

    def test_timeout_needs_no_poll(self) -> None:
        """The sweep ends a polled step at its timeout, even without a poll."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        self.clock.turn(60)
        self.assertEqual("clean wait", self.poll().provision_state)
        self.clock.turn(41)
        record = self.sweep()
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("step deploy.burnin did not finish within 100 s", record.last_error or "")

    def test_each_step_has_its_own_timeout(self) -> None:
        """The time of a step does not count against the timeout of the next one."""
        burnin = {"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}}
        self.clean({"interface": "deploy", "step": "wait_for_event"}, burnin)
        self.clock.turn(90)
        waiting = steps.current_wait(self.record())
        assert waiting is not None
        self.runtime.components.step_resumer.poll(self.node.uuid, waiting)
        self.clock.turn(90)
        self.assertEqual("clean wait", self.poll().provision_state)
        self.assertEqual("burnin", self.record().clean_step["step"])

    def test_wait_step_times_out_after_its_seconds(self) -> None:
        """The timeout of the step wait starts after its seconds."""
        self.clean({"interface": "power", "step": "wait", "args": {"seconds": 1000}})
        self.clock.turn(1000)
        self.assertEqual("clean wait", self.sweep().provision_state)
        self.clock.turn(101)
        self.assertEqual("clean failed", self.sweep().provision_state)


class TestDeadRuns(StepsCase):
    def die_in(self, step: str, attempts: int = 1) -> None:
        """Leave the node as a conductor leaves it that dies in a step."""
        entries = steps.resolve_requested_steps(
            self.runtime.components.tasks.read_only(self.node.uuid).driver, Phase.CLEAN, [StepRequest("deploy", step, {})]
        )
        state = {"provision_state": states.CLEANING, "target_provision_state": states.MANAGEABLE, "run_attempt": attempts}
        self.runtime.store.update_node(self.node.uuid, {**steps.start_run_changes(Phase.CLEAN, entries), **state}, fence=None)

    def recover(self, conductor: Conductor) -> NodeRecord:
        conductor.components.recovery.sweep()
        settle(conductor)
        return self.record()

    def test_resumable_step_runs_again(self) -> None:
        """A resumable step of a dead conductor runs again, and the run continues to its end."""
        self.die_in("erase_devices")
        record = self.recover(self.runtime)
        self.assertEqual("manageable", record.provision_state)
        self.assertIsNone(record.last_error)
        self.assertEqual(1, len(self.machine().commands("erase_devices")))

    def test_other_steps_fail(self) -> None:
        """A step of a dead conductor that is not resumable fails the run."""
        self.die_in("wait_for_event")
        record = self.recover(self.runtime)
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("the conductor stopped while it worked on the node", record.last_error or "")

    def test_attempts_of_a_resumable_step_are_limited(self) -> None:
        """A resumable step fails after MAX_ATTEMPTS attempts without an end."""
        self.die_in("erase_devices", attempts=steps.MAX_ATTEMPTS)
        record = self.recover(self.runtime)
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("was started 3 times and never finished", record.last_error or "")
        self.assertEqual([], self.machine().commands("erase_devices"))


class TestOtherPhases(StepsCase):
    def test_service_steps_run_on_an_active_node(self) -> None:
        """Service steps run on an active node, and it is active afterwards."""
        provision(self.runtime, self.node.uuid, "provide", "active")
        record = self.request("service", service_steps=[{"interface": "power", "step": "reboot"}])
        self.assertEqual("active", record.provision_state)
        self.assertIsNone(record.last_error)
        self.assertEqual({}, record.service_step)

    def test_requested_deploy_steps_are_merged(self) -> None:
        """A requested deploy step runs at its priority among the automatic ones, and priority 0 removes a step."""
        provision(self.runtime, self.node.uuid, "provide")
        before = len(self.machine().commands("write_image"))
        record = self.request("active", deploy_steps=[{"interface": "power", "step": "power_on", "args": {}, "priority": 150}])
        self.assertEqual("active", record.provision_state)
        self.assertEqual(before + 1, len(self.machine().commands("write_image")))
        provision(self.runtime, self.node.uuid, "deleted")
        left_out = [{"interface": "deploy", "step": "deploy", "args": {}, "priority": 0}]
        with ExpectedException(InvalidInput, ".*nothing can be deployed"):
            self.request("active", deploy_steps=left_out)
