"""The interfaces of fake-hardware: each one changes the machine and reads it back."""

from __future__ import annotations

import gc
import uuid

from baremetal_fake import Effect, Fault, FaultPlan, Power, Timings, shared_rack
from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    BootMode,
    Conflict,
    DriverError,
    Health,
    IndicatorState,
    InvalidInput,
    Phase,
    PowerState,
    VirtualMediaDevice,
    Wait,
)
from baremetal_interfaces.local import LocalTask
from tests.plugins.fake.driver_case import DriverTestCase, interfaces


class TestMachineSelection(DriverTestCase):
    """A node uses the machine that it names, or the machine named by its UUID."""

    def test_a_node_without_driver_info_uses_its_uuid(self) -> None:
        """A node without driver_info uses the machine named by its UUID."""
        task = LocalTask(interfaces(), {})
        task.power.set(PowerState.ON)
        machine = shared_rack().machine(task.node.uuid)
        self.assertIs(Power.ON, machine.power)

    def test_the_machine_outlives_the_interfaces(self) -> None:
        """Later interfaces find the machine unchanged while another holder keeps its rack."""
        name = str(uuid.uuid4())
        held = shared_rack()
        LocalTask(interfaces(), {"fake_machine": name}).power.set(PowerState.ON)
        gc.collect()
        self.assertIs(PowerState.ON, LocalTask(interfaces(), {"fake_machine": name}).power.get())
        self.assertIs(Power.ON, held.machine(name).power)

    def test_validation_reports_a_wrong_fault_plan(self) -> None:
        """Validation names the field of the fault plan that is wrong."""
        error = self.assertRaises(InvalidInput, self.task({"set_power": {"effect": "explode"}}).validate, "power")
        self.assertIn("driver_info/fake_faults/set_power/effect", str(error))


class TestPowerAndManagement(DriverTestCase):
    """Power, boot devices and the other functions of a BMC."""

    def test_a_power_change_is_awaited(self) -> None:
        """A task waits until the machine has changed its power."""
        task = self.task()
        task.power.set(PowerState.ON)
        self.assertIs(Power.ON, self.machine.power)
        task.power.set(PowerState.OFF)
        self.assertIs(Power.OFF, self.machine.power)

    def test_the_power_is_unknown_during_a_change(self) -> None:
        """The power state is unknown while a change is in progress."""
        self.call("power", "set_power_state", PowerState.ON)
        self.assertIs(PowerState.UNKNOWN, self.call("power", "get_power_state"))

    def test_every_declared_power_state_works(self) -> None:
        """Each declared power state leads to its outcome."""
        soft = (PowerState.SOFT_REBOOT, PowerState.SOFT_OFF)
        for state in (PowerState.ON, PowerState.REBOOT, *soft, PowerState.ON, PowerState.OFF):
            self.task().power.set(state)
            self.assertIs(state.outcome, self.task().power.get())

    def test_without_an_override_the_disk_is_the_boot_device(self) -> None:
        """Without a boot override, the boot device is the disk."""
        self.assertEqual(BootDeviceSetting(BootDevice.DISK, True), self.call("management", "get_boot_device"))

    def test_boot_devices_are_set_and_read(self) -> None:
        """Each declared boot device can be set for one boot and for every boot."""
        for device in self.interfaces["management"].supported_boot_devices:  # type: ignore[attr-defined]
            for persistent in (True, False):
                self.call("management", "set_boot_device", device, persistent=persistent)
                self.assertEqual(BootDeviceSetting(device, persistent), self.call("management", "get_boot_device"))

    def test_modes_secure_boot_and_lights_are_set_and_read(self) -> None:
        """Boot mode, secure boot and the indicator light read back as they were set."""
        self.call("management", "set_boot_mode", BootMode.BIOS)
        self.assertIs(BootMode.BIOS, self.call("management", "get_boot_mode"))
        self.call("management", "set_secure_boot", True)
        self.assertTrue(self.call("management", "get_secure_boot"))
        self.call("management", "set_indicator_state", "system", "led", IndicatorState.BLINKING)
        self.assertIs(IndicatorState.BLINKING, self.call("management", "get_indicator_state", "system", "led"))
        error = self.assertRaises(InvalidInput, self.call, "management", "get_indicator_state", "rack", "beacon")
        self.assertEqual({"component", "indicator"}, {problem.field for problem in error.problems})

    def test_media_are_attached_replaced_and_detached(self) -> None:
        """Attaching an image replaces the former one; detaching from an empty device is no error."""
        device = VirtualMediaDevice.CDROM
        for image in ("http://i/a.iso", "http://i/b.iso"):
            self.call("management", "attach_virtual_media", device, image)
        media = {device["media_types"][0]: device for device in self.call("management", "get_virtual_media")}
        self.assertEqual("http://i/b.iso", media["cdrom"]["image"])
        self.assertFalse(media["floppy"]["inserted"])
        self.call("management", "detach_virtual_media", [device])
        self.call("management", "detach_virtual_media")
        self.assertEqual({}, self.machine.media)

    def test_interrupts_sensors_and_health(self) -> None:
        """Interrupts are counted, and sensors and health can be read."""
        self.call("management", "inject_nmi")
        self.assertEqual(1, self.machine.nmi_count)
        self.assertIn("Temperature", self.call("management", "get_sensors_data"))
        self.assertIs(Health.OK, self.call("management", "get_node_health"))


class TestLifeOfANode(DriverTestCase):
    """Deployment, cleaning, rescue, burn-in and inspection."""

    def deploy(self) -> LocalTask:
        """Deploy an image by the automatic deploy step, and return the task."""
        task = self.task(node={"instance_info": {"image_source": "http://i/os.qcow2"}})
        (deploy,) = (step for step in self.interfaces["deploy"].steps_of(Phase.DEPLOY) if step.priority)
        task.call("deploy", deploy.method)
        return task

    def test_a_deployment_boots_the_image_from_the_disk(self) -> None:
        """After the deploy step, the machine runs the image from its disk."""
        self.deploy()
        last = self.machine.last_boot
        assert last is not None
        self.assertEqual(BootDevice.DISK, last.device)
        self.assertEqual("http://i/os.qcow2", last.image)
        self.assertIs(Power.ON, self.machine.power)

    def test_tearing_down_switches_off_and_cleaning_erases(self) -> None:
        """Teardown switches the machine off, and the automatic clean steps erase its disk."""
        self.deploy().call("deploy", "tear_down")
        self.assertIs(Power.OFF, self.machine.power)
        for step in self.interfaces["deploy"].steps_of(Phase.CLEAN):
            if step.priority:
                self.call("deploy", step.method)
        self.assertIsNone(self.machine.disk_image)

    def test_a_rescue_boots_the_ramdisk_and_back(self) -> None:
        """Rescue boots the ramdisk, and unrescue boots the instance."""
        task = self.deploy()
        task.call("rescue", "rescue")
        assert self.machine.last_boot is not None
        self.assertEqual(BootDevice.PXE, self.machine.last_boot.device)
        self.assertIsNotNone(self.machine.last_boot.image)
        task.call("rescue", "unrescue")
        self.assertEqual("http://i/os.qcow2", self.machine.last_boot.image)

    def test_a_burn_in_is_polled_until_it_ends(self) -> None:
        """A burn-in is polled until its time is over, and keeps its state in its Wait."""
        wait = self.call("deploy", "burnin", seconds=2.5)
        step = next(step for step in self.interfaces["deploy"].steps if step.name == "burnin")
        polls = 0
        while isinstance(wait, Wait):
            assert wait.poll_after is not None
            self.clock.turn(wait.poll_after)
            wait = self.call("deploy", "poll", step, wait.state)
            polls += 1
        self.assertIsNone(wait)
        self.assertEqual(3, polls)
        self.assertRaises(InvalidInput, self.call, "deploy", "burnin", seconds="long")

    def test_a_step_can_wait_for_an_event(self) -> None:
        """A step that waits for an event is not polled."""
        self.assertEqual(Wait(), self.call("deploy", "wait_for_event"))

    def test_an_inspection_reports_the_inventory(self) -> None:
        """Properties, ports and inventory agree with the machine."""
        self.machine.set_nics("02:00:00:00:00:01", "02:00:00:00:00:02")
        found = self.call("inspect", "inspect")
        self.assertEqual(["02:00:00:00:00:01", "02:00:00:00:00:02"], [port.address for port in found.ports])
        expected = {"cpus": 8, "memory_mb": 65536, "local_gb": 480, "cpu_arch": "x86_64"}
        self.assertEqual(expected, found.properties)
        self.assertEqual(8, found.inventory["cpu"]["count"])


class TestSettings(DriverTestCase):
    """BIOS, RAID, firmware, console, volumes and vendor methods."""

    def test_bios_settings_are_in_effect_after_the_step(self) -> None:
        """The step reboots the machine, so that its settings are in effect."""
        self.call("bios", "apply_configuration", settings=[{"name": "LogicalProc", "value": "Disabled"}])
        settings = {setting.name: setting for setting in self.call("bios", "get_settings")}
        self.assertEqual("Disabled", settings["LogicalProc"].value)
        self.assertEqual(("Enabled", "Disabled"), settings["LogicalProc"].allowable_values)
        self.call("bios", "factory_reset")
        self.assertEqual("Enabled", self.machine.firmware.current()["LogicalProc"])

    def test_wrong_bios_settings_are_all_named_and_change_nothing(self) -> None:
        """All problems are reported together, and the machine is not rebooted."""
        settings = [{"name": "LogicalProc", "value": "Maybe"}, {"name": "Nonsense", "value": 1}, "x"]
        error = self.assertRaises(InvalidInput, self.call, "bios", "apply_configuration", settings=settings)
        self.assertEqual(3, len(error.problems))
        self.assertEqual(0, self.machine.boot_count)
        not_settings: tuple[object, ...] = (None, [], "x", {"name": "LogicalProc"})
        for wrong in not_settings:
            self.assertRaises(InvalidInput, self.call, "bios", "apply_configuration", settings=wrong)

    def test_raid_is_created_from_the_target_and_deleted(self) -> None:
        """The root volume and the other volumes can be created separately."""
        disks = [{"size_gb": 100, "raid_level": "1", "is_root_volume": True}, {"size_gb": "MAX", "raid_level": "5"}]
        task = self.task(node={"target_raid_config": {"logical_disks": disks}})
        task.call("raid", "create_configuration", create_nonroot_volumes=False)
        self.assertEqual([disks[0]], list(self.machine.raid))
        task.call("raid", "create_configuration", create_root_volume=False)
        self.assertEqual(disks, list(self.machine.raid))
        task.call("raid", "create_configuration", delete_existing=True)
        self.assertEqual(disks, list(self.machine.raid))
        task.call("raid", "delete_configuration")
        self.assertEqual((), self.machine.raid)

    def test_a_wrong_raid_configuration_is_refused_with_all_problems(self) -> None:
        """The error names wrong sizes, levels and properties."""
        disks = [{"size_gb": 0, "raid_level": "9", "speed": 1}, 7]
        error = self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {"logical_disks": disks})
        self.assertEqual(4, len(error.problems))
        two_roots = [{"size_gb": 1, "raid_level": "1", "is_root_volume": True}] * 2
        self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {"logical_disks": two_roots})
        self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {})

    def test_firmware_is_updated_to_the_version_in_the_file_name(self) -> None:
        """The version comes from the file name, and an unknown component is refused before any update starts."""
        self.call("firmware", "update", settings=[{"component": "bios", "url": "http://i/bios-2.4.1.bin"}])
        versions = {component.component: component for component in self.call("firmware", "get_components")}
        self.assertEqual("2.4.1", versions["bios"].current_version)
        self.assertEqual("1.0.0", versions["bios"].initial_version)
        updates = [{"component": "bmc", "url": "http://i/3.0"}, {"component": "gpu", "url": "http://i/1.0"}]
        self.assertRaises(InvalidInput, self.call, "firmware", "update", settings=updates)
        self.assertEqual("2.10", self.machine.firmware.versions["bmc"])

    def test_an_update_is_polled_and_fails_without_effect(self) -> None:
        """The step compares the version when the update time is over."""
        self.machine.timings = Timings(update=1.5)
        step = next(step for step in self.interfaces["firmware"].steps if step.name == "update")
        settings = [{"component": "bios", "url": "http://i/2.0"}]
        wait = self.call("firmware", "update", settings=settings)
        self.assertEqual("1.0.0", self.machine.firmware.versions["bios"])
        self.assertIsInstance(self.call("firmware", "poll", step, wait.state), Wait)
        self.clock.turn(1.5)
        self.assertIsNone(self.call("firmware", "poll", step, wait.state))
        self.machine.inject(FaultPlan((Fault("update_firmware", Effect.LOSE),)))
        wait = self.call("firmware", "update", settings=[{"component": "bios", "url": "http://i/3.0"}])
        self.clock.turn(1.5)
        self.assertRaises(DriverError, self.call, "firmware", "poll", step, wait.state)

    def test_only_a_started_console_has_an_address(self) -> None:
        """A stopped console has no address."""
        self.assertRaises(Conflict, self.call, "console", "get_console")
        self.call("console", "start_console")
        self.assertEqual("fake://m/console", self.call("console", "get_console").url)
        self.call("console", "stop_console")
        self.assertRaises(Conflict, self.call, "console", "get_console")

    def test_volumes_are_attached_and_detached(self) -> None:
        """The machine records whether its volumes are attached."""
        self.call("storage", "attach_volumes")
        self.assertTrue(self.machine.volumes_attached)
        self.call("storage", "detach_volumes")
        self.assertFalse(self.machine.volumes_attached)

    def test_vendor_methods_show_the_machine_and_set_faults(self) -> None:
        """The vendor methods show the true state of the machine and set its fault plan."""
        self.call("vendor", "faults", faults=[{"operation": "set_power", "effect": "lose"}])
        self.call("power", "set_power_state", PowerState.ON)
        shown = self.call("vendor", "machine")
        self.assertEqual("off", shown["power"])
        self.assertEqual(["set_power"], [command["operation"] for command in shown["commands"]])
        self.assertEqual({"machine", "faults", "touch"}, set(self.interfaces["vendor"].passthrus))  # type: ignore[attr-defined]
