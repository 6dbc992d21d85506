"""The step engine: waiting, holding, polling, dying in the middle, and late answers."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from testtools import ExpectedException

from baremetal_fake.interfaces import deploy
from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Phase, PowerState
from baremetal_sdk import Conductor, states
from baremetal_sdk.provisioning import steps
from baremetal_sdk.provisioning.step_entry import StepRequest
from baremetal_sdk.store.outbox import START
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import ManualClock, settle, wait_for
from baremetal_sdk.testing import provision as take
from tests.fixtures.machines import MachinesCase


class StepsCase(MachinesCase):
    """A manageable node that can be cleaned by hand."""

    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.made = self.conductor(handed_in={"clock": self.clock}, **self.options)
        self.node = self.enrol(self.made)
        take(self.made, self.node.uuid, "manage")

    def clean(self, *wanted: dict[str, Any]) -> NodeRecord:
        """Run clean steps, each given as ``interface``, ``step`` and ``args``."""
        return self.ask("clean", clean_steps=list(wanted))

    def ask(self, verb: str, **arguments: Any) -> NodeRecord:
        self.made.rpc.call("change_provision_state", node=self.node.uuid, verb=verb, arguments=arguments)
        settle(self.made)
        return self.record()

    def record(self) -> NodeRecord:
        return self.made.store.node(self.node.uuid)


class TestReserved(StepsCase):
    def test_power_can_be_changed_between_steps(self) -> None:
        """power_on and power_off are steps of every node, and confirmed as all power is."""
        record = self.clean({"interface": "power", "step": "power_on"})
        self.assertEqual(("manageable", "power on", Power.ON), (record.provision_state, record.power_state, self.machine().power))

    def test_a_held_run_goes_on_when_a_client_says_so(self) -> None:
        """hold stops a run with nobody holding the node; unhold goes on with what comes after it."""
        record = self.clean({"interface": "power", "step": "hold"}, {"interface": "power", "step": "power_on"})
        self.assertEqual(("clean hold", None, "power off"), (record.provision_state, record.lease_holder, record.power_state))
        self.made.rpc.call("change_provision_state", node=self.node.uuid, verb="unhold")
        record = wait_for(self.made, self.node.uuid, "manageable")
        self.assertEqual("power on", record.power_state)

    def test_a_wait_is_over_after_its_seconds(self) -> None:
        """wait frees its worker and goes on by the clock."""
        self.clean({"interface": "power", "step": "wait", "args": {"seconds": 0.01}})
        self.assertEqual({}, wait_for(self.made, self.node.uuid, "manageable").clean_step)

    def test_a_wrong_argument_is_refused_before_anything_is_done(self) -> None:
        """What a reserved step does not take is named."""
        with ExpectedException(InvalidInput, "clean_steps/0/args/minutes: is not an argument.*seconds"):
            self.clean({"interface": "power", "step": "wait", "args": {"minutes": 1}})


class TestProgress(StepsCase):
    def waiting(self) -> steps.WaitingRun:
        found = steps.current_wait(self.record())
        assert found is not None
        return found

    def test_a_second_resume_changes_nothing(self) -> None:
        """A resume that comes late, or twice, finds that the run is not where it was, and leaves it alone."""
        wait = {"interface": "deploy", "step": "wait_for_event"}
        self.clean(wait, wait)
        first = self.waiting()
        resuming = self.made.components.step_resumer
        resuming.poll(self.node.uuid, steps.WaitingRun(first.run_id, first.index, first.attempt + 1, None))
        resuming.poll(self.node.uuid, steps.WaitingRun("another run", first.index, first.attempt, None))
        settle(self.made)
        self.assertEqual(first, self.waiting())

    def test_progress_is_on_the_node(self) -> None:
        """While a step waits the node shows which one."""
        record = self.clean({"interface": "deploy", "step": "wait_for_event"})
        self.assertEqual(("clean wait", "wait_for_event"), (record.provision_state, record.clean_step["step"]))


class TestTakingTooLong(StepsCase):
    """A limit of 100 s for what waits while a node is cleaned."""

    options: ClassVar[dict[str, Any]] = {"clean_callback_timeout": 100.0}

    def setUp(self) -> None:
        super().setUp()
        # Polled by the tests alone.
        self.patch(deploy, "POLL_INTERVAL_S", 100_000.0)

    def look(self) -> NodeRecord:
        """Poll the step that waits, as the timer does."""
        waiting = steps.current_wait(self.record())
        assert waiting is not None
        self.made.components.step_resumer.poll(self.node.uuid, waiting)
        return self.record()

    def sweep(self) -> NodeRecord:
        self.made.components.recovery.sweep()
        settle(self.made)
        return self.record()

    def test_a_step_that_is_polled_has_its_time_once(self) -> None:
        """However often it answers that it still waits, the step ends with an error that names it, and power is observed."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        self.machine().command_power(PowerState.ON)
        for _ in range(4):
            self.clock.turn(25)
            self.assertEqual("clean wait", self.look().provision_state)
        self.clock.turn(1)
        record = self.look()
        self.assertEqual(("clean failed", "power on", None), (record.provision_state, record.power_state, record.lease_holder))
        self.assertIn("step deploy.burnin did not finish within 100 s", record.last_error or "")

    def test_that_a_step_waits_is_told_once(self) -> None:
        """Whoever follows events hears that a step began and that it waits; at each look that it still does is no news."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        for _ in range(3):
            self.look()
        told = [json.loads(event.content) for event in self.made.store.outbox.read(START, 1000) if event.kind == "step"]
        self.assertEqual(["started", "waiting"], [one["status"] for one in told])

    def test_nobody_has_to_poll_it_for_that(self) -> None:
        """A poll that comes late does not give the step more time."""
        self.clean({"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}})
        self.clock.turn(60)
        self.assertEqual("clean wait", self.look().provision_state)
        self.clock.turn(41)
        record = self.sweep()
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("step deploy.burnin did not finish within 100 s", record.last_error or "")

    def test_each_step_has_the_time_for_itself(self) -> None:
        """What the step before took is not taken from the next one."""
        burnin = {"interface": "deploy", "step": "burnin", "args": {"seconds": 100_000}}
        self.clean({"interface": "deploy", "step": "wait_for_event"}, burnin)
        self.clock.turn(90)
        waiting = steps.current_wait(self.record())
        assert waiting is not None
        self.made.components.step_resumer.poll(self.node.uuid, waiting)
        self.clock.turn(90)
        self.assertEqual(("clean wait", "burnin"), (self.look().provision_state, self.record().clean_step["step"]))

    def test_a_client_may_wait_as_long_as_it_says(self) -> None:
        """The limit of what waits begins when the seconds of a client's wait are over."""
        self.clean({"interface": "power", "step": "wait", "args": {"seconds": 1000}})
        self.clock.turn(1000)
        self.assertEqual("clean wait", self.sweep().provision_state)
        self.clock.turn(101)
        self.assertEqual("clean failed", self.sweep().provision_state)


class TestDying(StepsCase):
    def die_in(self, step: str, attempts: int = 1) -> None:
        """Leave the node as a conductor does that dies in the middle of a step."""
        entries = steps.resolve_requested_steps(
            self.made.components.tasks.read_only(self.node.uuid).driver, Phase.CLEAN, [StepRequest("deploy", step, {})]
        )
        state = {"provision_state": states.CLEANING, "target_provision_state": states.MANAGEABLE, "run_attempt": attempts}
        self.made.store.update_node(self.node.uuid, {**steps.start_run_changes(Phase.CLEAN, entries), **state}, fence=None)

    def recover(self, conductor: Conductor) -> NodeRecord:
        conductor.components.recovery.sweep()
        settle(conductor)
        return self.record()

    def test_a_step_that_may_be_run_again_is(self) -> None:
        """A step that is declared resumable is begun once more, and the run goes on to its end."""
        self.die_in("erase_devices")
        record = self.recover(self.made)
        self.assertEqual(("manageable", None), (record.provision_state, record.last_error))
        self.assertEqual(1, len(self.machine().commands("erase_devices")))

    def test_one_that_may_not_fails_with_the_reason(self) -> None:
        """A step that says nothing of the kind ends the run, and is not begun again."""
        self.die_in("wait_for_event")
        record = self.recover(self.made)
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("the conductor stopped while it worked on the node", record.last_error or "")

    def test_a_step_in_which_conductors_die_is_given_up(self) -> None:
        """After three begins that never ended, a resumable step fails, too."""
        self.die_in("erase_devices", attempts=steps.MAX_ATTEMPTS)
        record = self.recover(self.made)
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("was started 3 times and never finished", record.last_error or "")
        self.assertEqual([], self.machine().commands("erase_devices"))


class TestOtherPhases(StepsCase):
    def test_an_active_node_can_be_serviced(self) -> None:
        """Service steps run on an active node, which is active afterwards."""
        take(self.made, self.node.uuid, "provide", "active")
        record = self.ask("service", service_steps=[{"interface": "power", "step": "reboot"}])
        self.assertEqual(("active", None, {}), (record.provision_state, record.last_error, record.service_step))

    def test_deploy_steps_of_a_client_join_the_automatic_ones(self) -> None:
        """A deploy step that a client gives runs at its priority beside the driver's own; with priority 0 one is left out."""
        take(self.made, self.node.uuid, "provide")
        before = len(self.machine().commands("write_image"))
        record = self.ask("active", deploy_steps=[{"interface": "power", "step": "power_on", "args": {}, "priority": 150}])
        self.assertEqual("active", record.provision_state)
        self.assertEqual(before + 1, len(self.machine().commands("write_image")))
        take(self.made, self.node.uuid, "deleted")
        left_out = [{"interface": "deploy", "step": "deploy", "args": {}, "priority": 0}]
        with ExpectedException(InvalidInput, ".*nothing can be deployed"):
            self.ask("active", deploy_steps=left_out)
