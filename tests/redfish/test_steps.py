"""What takes a while over Redfish: BIOS settings, volumes and updates as steps that are polled; and what may be in the way."""

from __future__ import annotations

from typing import Any

from baremetal_fake import Account, Inventory, Rack
from baremetal_fake.faults import FaultPlan
from baremetal_fake.lab import TurnedClock
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BMCBusy, DriverError, InvalidInput, Node, Phase, Step, Wait
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.bios import BIOSLimits, RedfishBIOS
from baremetal_redfish.firmware import RedfishFirmware, UpdateLimits
from baremetal_redfish.raid import RedfishRAID
from tests.redfish.emulated import interfaces
from tests.redfish.test_connector import PASSWORD, Served

STEP = Step(Phase.CLEAN, "any", "any")
MIRROR = {"size_gb": 100, "raid_level": "1", "is_root_volume": True, "volume_name": "root"}


class StepCase(Served):
    """Machines with six disks, at a clock that is turned."""

    def machines(self, **options: Any) -> RedfishService:
        self.clock = TurnedClock()
        rack = Rack("redfish", clock=self.clock)
        rack.machine("0").inventory = Inventory.of("0", disks=6)
        service = RedfishService(1, options=BMCOptions(Account("root", PASSWORD), **options), rack=rack)
        service.start()
        self.addCleanup(service.stop)
        return service

    def step_task(self, service: RedfishService, target: Any = None, **limits: float) -> LocalTask:
        found: dict[str, Any] = {
            **interfaces(5.0),
            "bios": RedfishBIOS(BIOSLimits(**limits)),
            "raid": RedfishRAID(),
            "firmware": RedfishFirmware(UpdateLimits()),
        }
        node = Node(uuid="7d4a5b6c-0000-4000-8000-000000000001", name="m1", target_raid_config=target or {})
        return LocalTask(found, self.raw(service), node=node, timeout=30.0, poll_interval=0.02)

    def finish(self, task: LocalTask, kind: str, outcome: Any) -> int:
        """Poll until it is done, a second each; how often."""
        looks = 0
        while isinstance(outcome, Wait):
            self.clock.turn(1.0)
            outcome = task.call(kind, "poll", STEP, outcome.state)
            looks += 1
        self.assertIsNone(outcome)
        return looks


class TestBIOS(StepCase):
    def test_a_stale_tag_is_read_again_once(self) -> None:
        """Somebody else's change in between costs one more read, and no setting."""
        service = self.machines()
        task = self.step_task(service)
        service.machine().inject(FaultPlan.from_json({"set_bios": {"effect": "refuse", "status": 412, "times": 1}}))
        self.finish(task, "bios", task.call("bios", "apply_configuration", [{"name": "BootRetryDelay", "value": "60"}]))
        self.assertEqual("60", service.machine().firmware.current()["BootRetryDelay"])
        self.assertEqual(2, len(service.machine().commands("set_bios")))

    def test_what_the_registry_forbids_is_refused_before_it_is_sent(self) -> None:
        """Every problem is named at once: the bounds, the values, what is read only and of another type."""
        service = self.machines()
        wanted = {"BootRetryDelay": "601", "SysProfile": "Fast", "SystemBiosVersion": "2", "LogicalProc": "Enabled"}
        settings = [{"name": name, "value": value} for name, value in wanted.items()]
        refused = self.assertRaises(InvalidInput, self.step_task(service).call, "bios", "apply_configuration", settings)
        self.assertEqual(
            ["settings/0/BootRetryDelay", "settings/1/SysProfile", "settings/2/SystemBiosVersion"],
            [problem.field for problem in refused.problems],
        )
        self.assertEqual([], service.machine().commands("set_bios"))

    def test_settings_are_told_with_what_they_may_be(self) -> None:
        """Type, values and bounds come from the service's registry."""
        found = {one.name: one for one in self.step_task(self.machines()).call("bios", "get_settings")}
        self.assertEqual(("Enabled", "Disabled"), found["LogicalProc"].allowable_values)
        self.assertEqual(
            (0, 600, "Integer"),
            (found["BootRetryDelay"].lower_bound, found["BootRetryDelay"].upper_bound, found["BootRetryDelay"].attribute_type),
        )
        self.assertTrue(found["SystemBiosVersion"].read_only)

    def test_settings_that_never_take_effect_are_an_error(self) -> None:
        """A service that takes settings and forgets them is found out, by the names of the settings."""
        service = self.machines()
        service.machine().inject(FaultPlan.from_json({"set_bios": {"effect": "lose"}}))
        task = self.step_task(service, bios_apply_timeout=0.0)
        outcome = task.call("bios", "apply_configuration", [{"name": "LogicalProc", "value": "Disabled"}])
        failed = self.assertRaises(DriverError, task.call, "bios", "poll", STEP, outcome.state)
        self.assertIn("LogicalProc", str(failed))

    def test_a_busy_service_says_when_to_come_back(self) -> None:
        """Busy is an error of its own, with the time, and nothing was changed."""
        service = self.machines()
        service.machine().inject(FaultPlan.from_json({"get_bios": {"effect": "busy"}}))
        refused = self.assertRaises(BMCBusy, self.step_task(service).call, "bios", "get_settings")
        self.assertEqual(1.0, refused.retry_after)


class TestRAID(StepCase):
    def test_volumes_are_made_and_removed(self) -> None:
        """As the node's target says, of drives that are free; at once where the service does it at once."""
        service = self.machines()
        target = {"logical_disks": [MIRROR, {"size_gb": "MAX", "raid_level": "5", "number_of_physical_disks": 4}]}
        task = self.step_task(service, target)
        self.assertIsNone(task.call("raid", "create_configuration"))
        made = service.machine().raid
        self.assertEqual(["RAID1", "RAID5"], [one["raid_type"] for one in made])
        self.assertEqual([100, 3 * 480], [one["bytes"] // 1024**3 for one in made])
        self.assertEqual(6, len({name for one in made for name in one["drives"]}))
        self.assertIsNone(task.call("raid", "delete_configuration"))
        self.assertEqual((), service.machine().raid)

    def test_a_service_that_takes_its_time_is_polled(self) -> None:
        """With a task for each volume the step waits, one volume after the other, and no worker does."""
        service = self.machines(task_seconds=2.5)
        task = self.step_task(service, {"logical_disks": [MIRROR, {**MIRROR, "is_root_volume": False}]})
        self.assertEqual(6, self.finish(task, "raid", task.call("raid", "create_configuration")))
        self.assertEqual(2, len(service.machine().raid))

    def test_what_cannot_be_made_costs_nothing(self) -> None:
        """Too few drives, or a level that the controller lacks, is said before anything is deleted."""
        service = self.machines()
        self.step_task(service, {"logical_disks": [MIRROR]}).call("raid", "create_configuration")
        for disk, word in (
            ({"size_gb": 10, "raid_level": "6", "number_of_physical_disks": 7}, "enough drives"),
            ({"size_gb": 1000, "raid_level": "1"}, "enough drives"),
            ({"size_gb": 10, "raid_level": "5+0"}, "the controller supports RAID0"),
            ({"size_gb": 10, "raid_level": "1", "physical_disks": ["disk0", "disk9"]}, "disk9"),
            ({"size_gb": 10, "raid_level": "7"}, "raid_level"),
        ):
            task = self.step_task(service, {"logical_disks": [disk]})
            refused = self.assertRaises(InvalidInput, task.call, "raid", "create_configuration", delete_existing=True)
            self.assertIn(word, str(refused))
        self.assertEqual(1, len(service.machine().raid))

    def test_root_and_other_volumes_are_made_apart(self) -> None:
        """Only what is asked for, and in place of what was there where that is asked for."""
        service = self.machines()
        task = self.step_task(service, {"logical_disks": [MIRROR, {"size_gb": 50, "raid_level": "0", "volume_name": "data"}]})
        task.call("raid", "create_configuration", create_root_volume=False)
        self.assertEqual(["data"], [one["name"] for one in service.machine().raid])
        task.call("raid", "create_configuration", create_nonroot_volumes=False, delete_existing=True)
        self.assertEqual(["root"], [one["name"] for one in service.machine().raid])


class TestUpdate(StepCase):
    def test_a_bmc_that_restarts_in_the_middle_is_waited_for(self) -> None:
        """That it does not answer is no failure of the update."""
        service = self.machines()
        task = self.step_task(service)
        outcome = task.call("firmware", "update", [{"component": "bmc", "url": "http://images.example/bmc-3.1.bin"}])
        service.machine().inject(FaultPlan.from_json({"get_tasks": {"effect": "drop", "times": 6}}))
        self.assertGreater(self.finish(task, "firmware", outcome), 1)
        self.assertEqual("3.1", service.machine().firmware.versions["bmc"])
        self.assertEqual([], service.machine().commands("set_power"))
