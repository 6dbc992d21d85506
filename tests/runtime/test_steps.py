"""The step engine: waiting, holding, polling, dying in the middle, and late answers."""

from __future__ import annotations

from typing import Any

from testtools import ExpectedException

from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Phase
from baremetal_sdk import Conductor, provision, steps
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.testing import ManualClock, settle, wait_for
from baremetal_sdk.testing import provision as take
from tests.runtime.machines import MachinesCase


class StepsCase(MachinesCase):
    """A manageable node that can be cleaned by hand."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.made = self.conductor(handed_in={"clock": self.clock})
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
    def waiting(self) -> steps.Waiting:
        found = steps.waiting_of(self.record())
        assert found is not None
        return found

    def test_a_second_resume_changes_nothing(self) -> None:
        """A resume that comes late, or twice, finds that the run is not where it was, and leaves it alone."""
        wait = {"interface": "deploy", "step": "wait_for_event"}
        self.clean(wait, wait)
        first = self.waiting()
        resuming = self.made.assembly.resuming
        resuming.look(self.node.uuid, steps.Waiting(first.run_id, first.index, first.attempt + 1, None))
        resuming.look(self.node.uuid, steps.Waiting("another run", first.index, first.attempt, None))
        settle(self.made)
        self.assertEqual(first, self.waiting())

    def test_progress_is_on_the_node(self) -> None:
        """While a step waits the node shows which one."""
        record = self.clean({"interface": "deploy", "step": "wait_for_event"})
        self.assertEqual(("clean wait", "wait_for_event"), (record.provision_state, record.clean_step["step"]))


class TestDying(StepsCase):
    def die_in(self, step: str, attempts: int = 1) -> None:
        """Leave the node as a conductor does that dies in the middle of a step."""
        entries = steps.requested(
            self.made.assembly.tasks.look(self.node.uuid).driver, Phase.CLEAN, [{"interface": "deploy", "step": step}]
        )
        state = {"provision_state": provision.CLEANING, "target_provision_state": provision.MANAGEABLE, "run_attempt": attempts}
        self.made.store.update_node(self.node.uuid, {**steps.begin(Phase.CLEAN, entries), **state}, fence=None)

    def recover(self, conductor: Conductor) -> NodeRecord:
        conductor.assembly.recovery.sweep()
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
        self.assertIn("the conductor stopped in the middle of it", record.last_error or "")

    def test_a_step_in_which_conductors_die_is_given_up(self) -> None:
        """After three begins that never ended, a resumable step fails, too."""
        self.die_in("erase_devices", attempts=steps.ATTEMPTS)
        record = self.recover(self.made)
        self.assertEqual("clean failed", record.provision_state)
        self.assertIn("was begun 3 times and never ended", record.last_error or "")
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
