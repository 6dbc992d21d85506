"""Steps that take a while over Redfish: BIOS settings, volumes and firmware updates, and their failures."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from baremetal_fake import Account, Inventory, Rack
from baremetal_fake.faults import FaultPlan
from baremetal_fake.lab import ManualClock
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BMCBusy, DriverError, InvalidInput, Node, Phase, Step, Wait
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.bios import BIOSLimits, RedfishBIOS
from baremetal_redfish.firmware import RedfishFirmware, UpdateLimits
from baremetal_redfish.raid import RedfishRAID
from tests.fixtures.redfish_emulator import build_interfaces
from tests.plugins.redfish.test_connector import PASSWORD, ServiceTestCase

STEP = Step(Phase.CLEAN, "any", "any")
MIRROR = {"size_gb": 100, "raid_level": "1", "is_root_volume": True, "volume_name": "root"}


class StepTestCase(ServiceTestCase):
    """Test case with machines of six disks, on a manual clock."""

    def machines(self, **options: Any) -> RedfishService:
        self.clock = ManualClock()
        rack = Rack("redfish", clock=self.clock)
        rack.machine("0").inventory = Inventory.of("0", disks=6)
        service = RedfishService(1, options=BMCOptions(Account("root", PASSWORD), **options), rack=rack)
        service.start()
        self.addCleanup(service.stop)
        return service

    def step_task(self, service: RedfishService, target: Any = None, **limits: float) -> LocalTask:
        found: dict[str, Any] = {
            **build_interfaces(5.0),
            "bios": RedfishBIOS(BIOSLimits(**limits)),
            "raid": RedfishRAID(),
            "firmware": RedfishFirmware(UpdateLimits()),
        }
        node = Node(uuid="7d4a5b6c-0000-4000-8000-000000000001", name="m1", target_raid_config=target or {})
        return LocalTask(found, self.raw(service), node=node, timeout=30.0, poll_interval=0.02)

    def finish(self, task: LocalTask, kind: str, outcome: Any) -> int:
        """Poll a step once a second until it is done, and return the number of polls."""
        looks = 0
        while isinstance(outcome, Wait):
            self.clock.turn(1.0)
            outcome = task.call(kind, "poll", STEP, outcome.state)
            looks += 1
        self.assertIsNone(outcome)
        return looks


class TestBIOS(StepTestCase):
    def test_stale_etag_is_read_again_once(self) -> None:
        """A change by another client in between costs one more read and loses no setting."""
        service = self.machines()
        task = self.step_task(service)
        service.machine().inject(FaultPlan.from_json({"set_bios": {"effect": "refuse", "status": 412, "times": 1}}))
        self.finish(task, "bios", task.call("bios", "apply_configuration", [{"name": "BootRetryDelay", "value": "60"}]))
        self.assertEqual("60", service.machine().firmware.current()["BootRetryDelay"])
        self.assertEqual(2, len(service.machine().commands("set_bios")))

    def test_registry_limits_settings(self) -> None:
        """Settings outside the bounds, values, access and types of the registry are refused at once, before a request."""
        service = self.machines()
        wanted = {"BootRetryDelay": "601", "SysProfile": "Fast", "SystemBiosVersion": "2", "LogicalProc": "Enabled"}
        settings = [{"name": name, "value": value} for name, value in wanted.items()]
        refused = self.assertRaises(InvalidInput, self.step_task(service).call, "bios", "apply_configuration", settings)
        self.assertEqual(
            ["settings/0/BootRetryDelay", "settings/1/SysProfile", "settings/2/SystemBiosVersion"],
            [problem.field for problem in refused.problems],
        )
        self.assertEqual([], service.machine().commands("set_bios"))

    def test_settings_have_their_allowed_values(self) -> None:
        """Types, values and bounds come from the service's registry."""
        settings = self.step_task(self.machines()).call("bios", "get_settings")
        found = {setting.name: setting for setting in settings}
        self.assertEqual(("Enabled", "Disabled"), found["LogicalProc"].allowable_values)
        self.assertEqual(0, found["BootRetryDelay"].lower_bound)
        self.assertEqual(600, found["BootRetryDelay"].upper_bound)
        self.assertEqual("Integer", found["BootRetryDelay"].attribute_type)
        self.assertTrue(found["SystemBiosVersion"].read_only)

    def test_settings_without_effect_are_an_error(self) -> None:
        """The error for settings that never take effect names them."""
        service = self.machines()
        service.machine().inject(FaultPlan.from_json({"set_bios": {"effect": "lose"}}))
        task = self.step_task(service, bios_apply_timeout=0.0)
        outcome = task.call("bios", "apply_configuration", [{"name": "LogicalProc", "value": "Disabled"}])
        failed = self.assertRaises(DriverError, task.call, "bios", "poll", STEP, outcome.state)
        self.assertIn("LogicalProc", str(failed))

    def test_busy_service_reports_the_time_to_retry(self) -> None:
        """A busy service is an error of its own with the time to retry; nothing is changed."""
        service = self.machines()
        service.machine().inject(FaultPlan.from_json({"get_bios": {"effect": "busy"}}))
        refused = self.assertRaises(BMCBusy, self.step_task(service).call, "bios", "get_settings")
        self.assertEqual(1.0, refused.retry_after)


class TestRAID(StepTestCase):
    def test_volumes_are_created_and_deleted(self) -> None:
        """The volumes of the node's target are created from free drives, without polls if the service is done at once."""
        service = self.machines()
        target = {"logical_disks": [MIRROR, {"size_gb": "MAX", "raid_level": "5", "number_of_physical_disks": 4}]}
        task = self.step_task(service, target)
        self.assertIsNone(task.call("raid", "create_configuration"))
        made = service.machine().raid
        self.assertEqual(["RAID1", "RAID5"], [volume["raid_type"] for volume in made])
        self.assertEqual([100, 3 * 480], [volume["bytes"] // 1024**3 for volume in made])
        self.assertEqual(6, len({drive for volume in made for drive in volume["drives"]}))
        self.assertIsNone(task.call("raid", "delete_configuration"))
        self.assertEqual((), service.machine().raid)

    def test_slow_service_is_polled(self) -> None:
        """At a service with a task for each volume the step waits for one volume after the other, without a worker."""
        service = self.machines(task_seconds=2.5)
        task = self.step_task(service, {"logical_disks": [MIRROR, {**MIRROR, "is_root_volume": False}]})
        self.assertEqual(6, self.finish(task, "raid", task.call("raid", "create_configuration")))
        self.assertEqual(2, len(service.machine().raid))

    def test_step_of_an_earlier_release_continues(self) -> None:
        """The state of such a step has the remaining logical disks and no requests."""
        service = self.machines(task_seconds=2.5)
        task = self.step_task(service, {"logical_disks": [MIRROR]})
        outcome = task.call("raid", "create_configuration")
        state = {name: value for name, value in outcome.state.items() if name != "post"}
        other = {**MIRROR, "is_root_volume": False}
        self.finish(task, "raid", Wait(state={**state, "create": [other]}))
        self.assertEqual(2, len(service.machine().raid))

    def test_impossible_target_costs_no_volume(self) -> None:
        """A target that the controller cannot create is refused before existing volumes are deleted."""
        service = self.machines()
        self.step_task(service, {"logical_disks": [MIRROR]}).call("raid", "create_configuration")
        for disk, word in (
            ({"size_gb": 10, "raid_level": "JBOD"}, "logical_disks/0/raid_level: JBOD is not supported"),
            ({"size_gb": 10, "raid_level": "2"}, "logical_disks/0/raid_level: '2' is not valid"),
            ({"size_gb": 10, "raid_level": "1", "controller": "RAID.7"}, "'RAID.7' is not a RAID controller.*the machine has 1"),
            ({"size_gb": 10, "raid_level": "1", "disk_type": "hdd"}, "'hdd' is not satisfied.*disk0 .ssd, sas, 480 GiB"),
            ({"size_gb": 10, "raid_level": "1", "interface_type": "sata"}, "logical_disks/0/interface_type: 'sata' is not"),
            ({"size_gb": 10, "raid_level": "1", "controller": "1", "physical_disks": [{}, {}]}, "for software RAID"),
            ({"size_gb": 10, "raid_level": "5", "controller": "1", "physical_disks": ["disk0", "disk1"]}, "2 drives are too few"),
            ({"size_gb": 10, "raid_level": "1", "controller": "1", "physical_disks": ["disk0", "disk0"]}, "name each drive once"),
            (
                {"size_gb": 1, "raid_level": "0", "controller": "1", "physical_disks": ["disk0"], "number_of_physical_disks": 2},
                "number_of_physical_disks: 2 is not the number",
            ),
            ({"size_gb": 10, "raid_level": "6", "number_of_physical_disks": 7}, "enough drives"),
            ({"size_gb": 1000, "raid_level": "1"}, "enough drives"),
            ({"size_gb": 10, "raid_level": "5+0"}, "the controller supports RAID0"),
            ({"size_gb": 10, "raid_level": "1", "controller": "1", "physical_disks": ["disk0", "disk9"]}, "disk9"),
            ({"size_gb": 10, "raid_level": "7"}, "raid_level"),
        ):
            task = self.step_task(service, {"logical_disks": [disk]})
            refused = self.assertRaises(InvalidInput, task.call, "raid", "create_configuration", delete_existing=True)
            self.assertTrue(re.search(word, str(refused)), str(refused))
        self.assertEqual(1, len(service.machine().raid))

    def test_drives_are_selected_by_type_interface_and_name(self) -> None:
        """Only drives that the BMC reports with the requested type and interface are used; a controller has several names."""
        service = self.machines()
        disks = service.machine().inventory.disks
        disks = tuple(dataclasses.replace(disk, rotational=index >= 4) for index, disk in enumerate(disks))
        service.machine().inventory = dataclasses.replace(service.machine().inventory, disks=disks)
        target = [
            {"size_gb": 10, "raid_level": "1", "disk_type": "hdd", "interface_type": "sas", "controller": "Disk controller"},
            {"size_gb": 10, "raid_level": "1", "controller": "1", "physical_disks": ["disk3", "disk1"]},
        ]
        self.step_task(service, {"logical_disks": target}).call("raid", "create_configuration")
        made = [list(volume["drives"]) for volume in service.machine().raid]
        self.assertEqual([["disk4", "disk5"], ["disk3", "disk1"]], made)

    def test_root_and_other_volumes_are_created_separately(self) -> None:
        """Only the requested volumes are created, in place of the existing ones if that is requested."""
        service = self.machines()
        task = self.step_task(service, {"logical_disks": [MIRROR, {"size_gb": 50, "raid_level": "0", "volume_name": "data"}]})
        task.call("raid", "create_configuration", create_root_volume=False)
        self.assertEqual(["data"], [volume["name"] for volume in service.machine().raid])
        task.call("raid", "create_configuration", create_nonroot_volumes=False, delete_existing=True)
        self.assertEqual(["root"], [volume["name"] for volume in service.machine().raid])


class TestUpdate(StepTestCase):
    def test_update_survives_the_restart_of_the_bmc(self) -> None:
        """A BMC that does not answer during its update is not a failure."""
        service = self.machines()
        task = self.step_task(service)
        outcome = task.call("firmware", "update", [{"component": "bmc", "url": "http://images.example/bmc-3.1.bin"}])
        service.machine().inject(FaultPlan.from_json({"get_tasks": {"effect": "drop", "times": 6}}))
        self.assertGreater(self.finish(task, "firmware", outcome), 1)
        self.assertEqual("3.1", service.machine().firmware.versions["bmc"])
        self.assertEqual([], service.machine().commands("set_power"))
