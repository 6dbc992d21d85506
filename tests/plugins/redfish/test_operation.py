"""Operations of a BMC over all states of its tasks, all answers, and restarts of the conductor, on a simulated clock."""

from __future__ import annotations

import json
from typing import Any

import fixtures
from testtools import TestCase

from baremetal_fake import Account, Inventory, Rack
from baremetal_fake.faults import FaultPlan
from baremetal_fake.lab import ManualClock
from baremetal_fake.machine import Timings
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_fake.redfish.task_script import TaskScript
from baremetal_interfaces import DriverError, InvalidInput, Node, Phase, PowerState, Step, Wait
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.firmware import RedfishFirmware
from baremetal_redfish.raid import RedfishRAID
from baremetal_redfish.task_monitor import TaskFailed, TaskOutcome, judge_task
from tests.fixtures.redfish_emulator import build_interfaces
from tests.plugins.redfish.test_connector import PASSWORD, ServiceTestCase

STEP = Step(Phase.CLEAN, "any", "any")
BIOS_UPDATE = [{"component": "bios", "url": "http://images.example/bios-9.9.bin"}]
MIRROR = {"size_gb": 100, "raid_level": "1"}
RUNNING = ("New", "Starting", "Running", "Suspended", "Interrupted", "Pending", "Stopping", "Service", "Cancelling")
UNKNOWN = ("Scheduled", "Downloading", "unknown", "", None, 7, ["Completed"])
FAILED = ("Exception", "Killed", "Cancelled", "Failed", "UserIntervention", "CompletedWithErrors")
SCHEDULED = {"TaskState": "Starting", "Oem": {"Dell": {"JobState": "Scheduled", "Message": "Task successfully scheduled."}}}


class TestJudgeTask(TestCase):
    """judge_task()"""

    def test_only_completed_is_done(self) -> None:
        """Every other state is running, failed or unknown, with any status that does not say more."""
        for status in ("OK", "Warning", None):
            outcomes = {TaskOutcome.RUNNING: RUNNING, TaskOutcome.UNKNOWN: UNKNOWN, TaskOutcome.FAILED: FAILED}
            outcomes[TaskOutcome.DONE] = ("Completed",)
            for outcome, states in outcomes.items():
                for state in states:
                    document = {"TaskState": state, "TaskStatus": status, "PercentComplete": 100}
                    self.assertEqual(outcome, judge_task(document).outcome, document)

    def test_critical_status_is_a_failure_unless_the_task_runs(self) -> None:
        """DSP2046 sets the status at the end; services that set it earlier still run the task."""
        for state in ("Completed", None, "Downloading"):
            self.assertEqual(TaskOutcome.FAILED, judge_task({"TaskState": state, "TaskStatus": "Critical"}).outcome)
        self.assertEqual(TaskOutcome.RUNNING, judge_task({"TaskState": "Running", "TaskStatus": "Critical"}).outcome)

    def test_critical_message_is_a_failure_unless_the_status_is_ok(self) -> None:
        """A task that is complete with a warning and a critical message has failed."""
        document = {"TaskState": "Completed", "TaskStatus": "Warning", "Messages": [{"MessageSeverity": "Critical"}]}
        self.assertEqual(TaskOutcome.FAILED, judge_task(document).outcome)
        self.assertEqual(TaskOutcome.DONE, judge_task({**document, "TaskStatus": "OK"}).outcome)

    def test_job_of_dell_explains_its_task(self) -> None:
        """A job that has failed makes a completed task a failed one."""
        document = {"TaskState": "Completed", "TaskStatus": "OK", "Oem": {"Dell": {"JobState": "CompletedWithErrors"}}}
        self.assertEqual(TaskOutcome.FAILED, judge_task(document).outcome)
        self.assertTrue(judge_task(SCHEDULED).awaits_restart)
        self.assertFalse(judge_task({"TaskState": "Scheduled"}).awaits_restart)

    def test_words_are_those_of_the_service(self) -> None:
        """State, progress and messages appear as the service wrote them, on one line."""
        document = {"TaskState": "Paused\n", "PercentComplete": 10, "Messages": [{"MessageId": "Acme.1.0.Wait"}]}
        self.assertEqual("TaskState Paused\\n, PercentComplete 10: Acme.1.0.Wait", judge_task(document).words)


class OperationTestCase(ServiceTestCase):
    """Test case with a machine that is on, whose BMC follows a script, and with a clock that the steps use, too."""

    def setUp(self) -> None:
        super().setUp()
        self.script = TaskScript()
        self.clock = ManualClock()
        for module in ("operation", "firmware"):
            self.useFixture(fixtures.MonkeyPatch(f"baremetal_redfish.{module}.steady_time", self.clock))

    def serve_machine(self, **options: Any) -> None:
        rack = Rack("redfish", clock=self.clock)
        self.machine = rack.machine("0")
        self.machine.inventory = Inventory.of("0", disks=6)
        self.machine.command_power(PowerState.ON)
        self.machine.timings = Timings(update=30.0)
        bmc = BMCOptions(Account("root", PASSWORD), task_script=self.script, **options)
        self.service = RedfishService(1, options=bmc, rack=rack)
        self.service.start()
        self.addCleanup(self.service.stop)

    def call(self, kind: str, method: str, *args: Any, target: Any = None) -> Any:
        """Call a method with new interfaces, as a conductor does after a restart."""
        found: dict[str, Any] = {**build_interfaces(5.0), "raid": RedfishRAID(), "firmware": RedfishFirmware()}
        node = Node(uuid="7d4a5b6c-0000-4000-8000-000000000001", name="m1", target_raid_config=target or {})
        return LocalTask(found, self.raw(self.service), node=node, timeout=30.0, poll_interval=0.02).call(kind, method, *args)

    def poll(self, kind: str, outcome: Wait, seconds: float = 1.0) -> Wait | None:
        """Poll a step after *seconds*, from its stored state."""
        self.clock.turn(seconds)
        found: Wait | None = self.call(kind, "poll", STEP, json.loads(json.dumps(outcome.state)))
        return found

    def poll_until_late(self, kind: str, outcome: Any) -> DriverError:
        """Poll a step that never ends, and return its error after the time limit."""
        waiting = self.poll(kind, outcome)
        self.assertIsInstance(waiting, Wait)
        assert waiting is not None
        return self.assertRaises(DriverError, self.poll, kind, waiting, 4000.0)

    def resets(self) -> int:
        return len(self.machine.commands("set_power"))


class TestFirmwareUpdate(OperationTestCase):
    """RedfishFirmware.update()"""

    def setUp(self) -> None:
        super().setUp()
        self.serve_machine()

    def update(self, **script: Any) -> Wait:
        for name, value in script.items():
            setattr(self.script, name, value)
        outcome = self.call("firmware", "update", BIOS_UPDATE)
        self.assertIsInstance(outcome, Wait)
        found: Wait = outcome
        return found

    def test_unknown_and_running_tasks_are_waited_for(self) -> None:
        """The machine is not restarted meanwhile, and the error after the time limit has the BMC's own words."""
        for state in (*RUNNING, *UNKNOWN):
            report = {"TaskState": state, "PercentComplete": 10, "Messages": [{"Message": "Flashing bank B"}]}
            for status in (200, 202):
                late = self.poll_until_late("firmware", self.update(report=report, monitor_status=status))
                self.assertIn("Flashing bank B", str(late))
        self.assertEqual(0, self.resets())

    def test_failed_tasks_fail_with_the_words_of_the_bmc(self) -> None:
        """The error names the state and the message; the machine is not restarted."""
        for state in FAILED:
            outcome = self.update(report={"TaskState": state, "Messages": [{"Message": "The image is corrupt"}]})
            failed = self.assertRaises(TaskFailed, self.poll, "firmware", outcome)
            self.assertIn(state, str(failed))
            self.assertIn("The image is corrupt", str(failed))
        self.assertEqual(0, self.resets())

    def test_statuses_of_the_monitor(self) -> None:
        """A rejected operation has failed; an error of the BMC and a lost task say nothing."""
        self.machine.timings = Timings(update=1e9)
        for status in (400, 409):
            self.assertRaises(TaskFailed, self.poll, "firmware", self.update(monitor_status=status))
        for status in (404, 405, 410, 500, 503):
            self.poll_until_late("firmware", self.update(monitor_status=status))
        self.assertEqual(0, self.resets())

    def test_complete_update_restarts_the_machine_only_if_the_version_is_the_old_one(self) -> None:
        """One restart activates a BIOS that waits for it; a BIOS that already runs needs none."""
        self.assertIsNone(self.poll("firmware", self.update(), 31.0))
        self.assertEqual("9.9", self.machine.firmware.versions["bios"])
        self.assertEqual(0, self.resets())
        self.machine.inject(FaultPlan.from_json({"update_firmware": {"effect": "lose"}}))
        self.assertIsNone(self.poll("firmware", self.update()))
        self.assertEqual(1, self.resets())

    def test_scheduled_job_is_started_by_one_restart(self) -> None:
        """A job that says that it waits for a restart gets exactly one, also after a restart of the conductor."""
        outcome: Wait | None = self.update(report=SCHEDULED)
        for _ in range(3):
            assert outcome is not None
            outcome = self.poll("firmware", outcome)
        self.assertEqual(1, self.resets())
        self.script.report = {"TaskState": "Completed", "TaskStatus": "OK"}
        assert outcome is not None
        self.assertIsNone(self.poll("firmware", outcome, 60.0))
        self.assertEqual(1, self.resets())

    def test_answer_without_address_of_a_task(self) -> None:
        """The only task that is new is the update's. Without any task the new version ends the step."""
        for status in (200, 202, 204):
            for lists_task in (True, False):
                self.machine.firmware.update_version("bios", "1.0")
                outcome = self.update(status=status, names_task=False, lists_task=lists_task)
                waiting = self.poll("firmware", outcome)
                assert waiting is not None
                self.assertIsNone(self.poll("firmware", waiting, 60.0))
        self.assertEqual(0, self.resets())

    def test_answer_without_address_and_without_effect(self) -> None:
        """Without task and new version the step fails after its time, and the machine is not restarted."""
        self.machine.inject(FaultPlan.from_json({"update_firmware": {"effect": "lose"}}))
        late = self.poll_until_late("firmware", self.update(status=200, names_task=False, lists_task=False))
        self.assertIn("named no task", str(late))
        self.assertEqual(0, self.resets())

    def test_lost_task_is_done_if_the_version_is_new(self) -> None:
        """A service may delete a monitor when its response was read, or at the restart of the BMC."""
        outcome = self.update(monitor_status=404)
        waiting = self.poll("firmware", outcome)
        assert waiting is not None
        self.assertIsNone(self.poll("firmware", waiting, 60.0))

    def test_step_of_an_earlier_release_continues(self) -> None:
        """Its state has no versions: its task still decides, and without a task it fails after its time."""
        state = {"component": "bios", "left": [], "until": self.clock() + 3600.0}
        monitor = self.update().state["monitor"]
        self.assertIsNone(self.poll("firmware", Wait(state={**state, "monitor": monitor}), 60.0))
        before = self.resets()
        self.poll_until_late("firmware", Wait(state={**state, "monitor": None}))
        self.assertEqual(before, self.resets())

    def test_ambiguous_component_is_refused(self) -> None:
        """Two items with one name are listed, and nothing is sent."""
        versions = self.machine.firmware.versions
        versions["BIOS"] = "1.0"
        refused = self.assertRaises(InvalidInput, self.call, "firmware", "update", BIOS_UPDATE)
        self.assertIn("0-bios", str(refused))
        self.assertIn("0-BIOS", str(refused))
        self.assertEqual([], self.machine.commands("update_firmware"))


class TestVolumes(OperationTestCase):
    """RedfishRAID"""

    def create(self, **options: Any) -> Any:
        self.serve_machine(task_seconds=30.0, **options)
        return self.call("raid", "create_configuration", target={"logical_disks": [MIRROR]})

    def test_unknown_and_failed_tasks(self) -> None:
        """A failed task is an error at once, and an unknown one after the time limit, with the BMC's own words."""
        outcome = self.create()
        self.script.report = {"TaskState": "Scheduled", "Messages": [{"Message": "Waiting for the controller"}]}
        self.assertIn("Waiting for the controller", str(self.poll_until_late("raid", outcome)))
        self.script.report = {"TaskState": "Exception", "Messages": [{"Message": "Drive 0 is locked"}]}
        self.assertIn("Drive 0 is locked", str(self.assertRaises(TaskFailed, self.poll, "raid", outcome)))
        self.assertEqual(0, self.resets())

    def test_change_at_a_restart_restarts_the_machine_once(self) -> None:
        """A controller without immediate changes gets the apply time, and one restart when its task is staged."""
        self.script.report = {"TaskState": "New"}
        outcome = self.poll("raid", self.create(volume_apply_times=("OnReset",)))
        self.assertEqual(0, self.resets())
        for state in ("Starting", "Starting", "Running"):
            self.script.report = {"TaskState": state}
            assert outcome is not None
            outcome = self.poll("raid", outcome)
        self.assertEqual(1, self.resets())
        self.script.report = None
        assert outcome is not None
        self.assertIsNone(self.poll("raid", outcome, 60.0))
        self.assertEqual(1, self.resets())

    def test_lost_task_is_done_if_the_volume_is_there(self) -> None:
        """The collection decides if the service has forgotten the task, for creations and deletions."""
        outcome = self.create()
        self.script.monitor_status = 404
        self.assertIsNone(self.poll("raid", outcome))
        outcome = self.call("raid", "delete_configuration")
        self.assertIsNone(self.poll("raid", outcome))
        self.assertEqual((), self.machine.raid)

    def test_planned_deletion_never_hits_a_plain_drive(self) -> None:
        """A stored plan is compared with the volume before the deletion, because volumes may have been numbered again."""
        outcome = self.create()
        path = f"{self.service.system_path(0)}/Storage/1/Volumes/1"
        self.machine.set_raid(({**self.machine.raid[0], "raid_type": "None"},))
        monitor = outcome.state["monitor"]
        state = {"delete": [path], "post": [], "monitor": monitor, "until": self.clock() + 1800.0}
        self.assertIsNone(self.poll("raid", Wait(state=state), 60.0))
        self.assertEqual(1, len(self.machine.raid))
