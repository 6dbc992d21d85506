"""fake-hardware: each interface moves the machine, and reads it."""

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
from tests.plugins.fake.driven import DrivenCase, interfaces


class TestWhichMachine(DrivenCase):
    """A node drives the machine that it names, or the one of its UUID."""

    def test_a_node_without_driver_info_has_a_machine_of_its_uuid(self) -> None:
        """Nothing needs to be said about a simulated machine."""
        task = LocalTask(interfaces(), {})
        task.power.set(PowerState.ON)
        machine = shared_rack().machine(task.node.uuid)
        self.assertIs(Power.ON, machine.power)

    def test_the_machine_outlives_the_interfaces_of_one_conductor(self) -> None:
        """Another conductor that takes over finds the machine as it is, while somebody holds the rack."""
        name = str(uuid.uuid4())
        held = shared_rack()
        LocalTask(interfaces(), {"fake_machine": name}).power.set(PowerState.ON)
        gc.collect()
        self.assertIs(PowerState.ON, LocalTask(interfaces(), {"fake_machine": name}).power.get())
        self.assertIs(Power.ON, held.machine(name).power)

    def test_a_wrong_fault_plan_is_found_by_validation(self) -> None:
        """Validation names what is wrong in the plan."""
        error = self.assertRaises(InvalidInput, self.task({"set_power": {"effect": "explode"}}).validate, "power")
        self.assertIn("driver_info/fake_faults/set_power/effect", str(error))


class TestPowerAndManagement(DrivenCase):
    """Power, boot devices and all that a BMC can be told."""

    def test_power_on_and_off_are_confirmed_by_reads(self) -> None:
        """The machine takes its time, and a task waits for it."""
        task = self.task()
        task.power.set(PowerState.ON)
        self.assertIs(Power.ON, self.machine.power)
        task.power.set(PowerState.OFF)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_change_in_progress_is_an_unknown_state(self) -> None:
        """A machine between two states is neither on nor off."""
        self.call("power", "set_power_state", PowerState.ON)
        self.assertIs(PowerState.UNKNOWN, self.call("power", "get_power_state"))

    def test_every_declared_power_state_is_taken(self) -> None:
        """What is declared works."""
        soft = (PowerState.SOFT_REBOOT, PowerState.SOFT_OFF)
        for state in (PowerState.ON, PowerState.REBOOT, *soft, PowerState.ON, PowerState.OFF):
            self.task().power.set(state)
            self.assertIs(state.outcome, self.task().power.get())

    def test_without_an_override_the_disk_is_the_boot_device(self) -> None:
        """There is always a device to boot from."""
        self.assertEqual(BootDeviceSetting(BootDevice.DISK, True), self.call("management", "get_boot_device"))

    def test_boot_devices_are_set_and_read(self) -> None:
        """Each declared device can be set, for once and for ever."""
        for device in self.interfaces["management"].supported_boot_devices:  # type: ignore[attr-defined]
            for persistent in (True, False):
                self.call("management", "set_boot_device", device, persistent=persistent)
                self.assertEqual(BootDeviceSetting(device, persistent), self.call("management", "get_boot_device"))

    def test_modes_secure_boot_and_lights_are_set_and_read(self) -> None:
        """What is set is read back."""
        self.call("management", "set_boot_mode", BootMode.BIOS)
        self.assertIs(BootMode.BIOS, self.call("management", "get_boot_mode"))
        self.call("management", "set_secure_boot", True)
        self.assertTrue(self.call("management", "get_secure_boot"))
        self.call("management", "set_indicator_state", "system", "led", IndicatorState.BLINKING)
        self.assertIs(IndicatorState.BLINKING, self.call("management", "get_indicator_state", "system", "led"))
        error = self.assertRaises(InvalidInput, self.call, "management", "get_indicator_state", "rack", "beacon")
        self.assertEqual({"component", "indicator"}, {problem.field for problem in error.problems})

    def test_media_are_attached_replaced_and_detached(self) -> None:
        """Attaching replaces; detaching what is not there is not an error."""
        device = VirtualMediaDevice.CDROM
        for image in ("http://i/a.iso", "http://i/b.iso"):
            self.call("management", "attach_virtual_media", device, image)
        media = {one["media_types"][0]: one for one in self.call("management", "get_virtual_media")}
        self.assertEqual("http://i/b.iso", media["cdrom"]["image"])
        self.assertFalse(media["floppy"]["inserted"])
        self.call("management", "detach_virtual_media", [device])
        self.call("management", "detach_virtual_media")
        self.assertEqual({}, self.machine.media)

    def test_interrupts_sensors_and_health(self) -> None:
        """The rest of management answers, too."""
        self.call("management", "inject_nmi")
        self.assertEqual(1, self.machine.nmi_count)
        self.assertIn("Temperature", self.call("management", "get_sensors_data"))
        self.assertIs(Health.OK, self.call("management", "get_node_health"))


class TestLifeOfANode(DrivenCase):
    """Deployment, cleaning, rescue and what belongs to them."""

    def deployed(self) -> LocalTask:
        task = self.task(node={"instance_info": {"image_source": "http://i/os.qcow2"}})
        (deploy,) = (one for one in self.interfaces["deploy"].steps_of(Phase.DEPLOY) if one.priority)
        task.call("deploy", deploy.method)
        return task

    def test_a_deployment_boots_the_image_from_the_disk(self) -> None:
        """After the one deploy step the instance runs."""
        self.deployed()
        last = self.machine.last_boot
        assert last is not None
        self.assertEqual((BootDevice.DISK, "http://i/os.qcow2"), (last.device, last.image))
        self.assertIs(Power.ON, self.machine.power)

    def test_tearing_down_switches_off_and_cleaning_erases(self) -> None:
        """The tenant's disk is erased by the automatic clean steps."""
        self.deployed().call("deploy", "tear_down")
        self.assertIs(Power.OFF, self.machine.power)
        for step in self.interfaces["deploy"].steps_of(Phase.CLEAN):
            if step.priority:
                self.call("deploy", step.method)
        self.assertIsNone(self.machine.disk_image)

    def test_a_rescue_boots_the_ramdisk_and_back(self) -> None:
        """Rescue starts a ramdisk once; afterwards the instance runs again."""
        task = self.deployed()
        task.call("rescue", "rescue")
        assert self.machine.last_boot is not None
        self.assertEqual(BootDevice.PXE, self.machine.last_boot.device)
        self.assertIsNotNone(self.machine.last_boot.image)
        task.call("rescue", "unrescue")
        self.assertEqual("http://i/os.qcow2", self.machine.last_boot.image)

    def test_a_burn_in_waits_and_is_polled_until_its_time_is_over(self) -> None:
        """A step that goes on in the background keeps what it needs in its Wait."""
        wait = self.call("deploy", "burnin", seconds=2.5)
        step = next(one for one in self.interfaces["deploy"].steps if one.name == "burnin")
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
        """A step that somebody else reports as done is not polled."""
        self.assertEqual(Wait(), self.call("deploy", "wait_for_event"))

    def test_an_inspection_finds_what_the_machine_is_made_of(self) -> None:
        """Properties, ports and the inventory agree with the machine."""
        self.machine.set_nics("02:00:00:00:00:01", "02:00:00:00:00:02")
        found = self.call("inspect", "inspect")
        self.assertEqual(["02:00:00:00:00:01", "02:00:00:00:00:02"], [port.address for port in found.ports])
        expected = {"cpus": 8, "memory_mb": 65536, "local_gb": 480, "cpu_arch": "x86_64"}
        self.assertEqual(expected, found.properties)
        self.assertEqual(8, found.inventory["cpu"]["count"])


class TestSettings(DrivenCase):
    """BIOS, RAID, firmware, console, volumes and the vendor's methods."""

    def test_bios_settings_are_in_effect_when_the_step_is_over(self) -> None:
        """The step reboots, because settings wait for a boot."""
        self.call("bios", "apply_configuration", settings=[{"name": "LogicalProc", "value": "Disabled"}])
        settings = {one.name: one for one in self.call("bios", "get_settings")}
        self.assertEqual("Disabled", settings["LogicalProc"].value)
        self.assertEqual(("Enabled", "Disabled"), settings["LogicalProc"].allowable_values)
        self.call("bios", "factory_reset")
        self.assertEqual("Enabled", self.machine.firmware.current()["LogicalProc"])

    def test_wrong_bios_settings_change_nothing_and_are_all_named(self) -> None:
        """Everything that is wrong is said at once, and the machine is not rebooted."""
        settings = [{"name": "LogicalProc", "value": "Maybe"}, {"name": "Nonsense", "value": 1}, "x"]
        error = self.assertRaises(InvalidInput, self.call, "bios", "apply_configuration", settings=settings)
        self.assertEqual(3, len(error.problems))
        self.assertEqual(0, self.machine.boot_count)
        not_settings: tuple[object, ...] = (None, [], "x", {"name": "LogicalProc"})
        for wrong in not_settings:
            self.assertRaises(InvalidInput, self.call, "bios", "apply_configuration", settings=wrong)

    def test_raid_is_made_of_the_target_and_deleted(self) -> None:
        """The root volume and the others can be made apart."""
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
        """Bad sizes, levels and properties are named."""
        disks = [{"size_gb": 0, "raid_level": "9", "speed": 1}, 7]
        error = self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {"logical_disks": disks})
        self.assertEqual(4, len(error.problems))
        two_roots = [{"size_gb": 1, "raid_level": "1", "is_root_volume": True}] * 2
        self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {"logical_disks": two_roots})
        self.assertRaises(InvalidInput, self.call, "raid", "validate_raid_config", {})

    def test_firmware_is_updated_to_what_the_file_says(self) -> None:
        """The version is in the file's name; an unknown component is refused before anything is flashed."""
        self.call("firmware", "update", settings=[{"component": "bios", "url": "http://i/bios-2.4.1.bin"}])
        versions = {one.component: one for one in self.call("firmware", "get_components")}
        self.assertEqual(("2.4.1", "1.0.0"), (versions["bios"].current_version, versions["bios"].initial_version))
        updates = [{"component": "bmc", "url": "http://i/3.0"}, {"component": "gpu", "url": "http://i/1.0"}]
        self.assertRaises(InvalidInput, self.call, "firmware", "update", settings=updates)
        self.assertEqual("2.10", self.machine.firmware.versions["bmc"])

    def test_a_flash_that_takes_time_is_polled_and_one_without_effect_fails(self) -> None:
        """The step looks at the version when its time is over."""
        self.machine.timings = Timings(update=1.5)
        step = next(one for one in self.interfaces["firmware"].steps if one.name == "update")
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

    def test_the_console_is_reachable_once_it_is_started(self) -> None:
        """A stopped console has no address."""
        self.assertRaises(Conflict, self.call, "console", "get_console")
        self.call("console", "start_console")
        self.assertEqual("fake://m/console", self.call("console", "get_console").url)
        self.call("console", "stop_console")
        self.assertRaises(Conflict, self.call, "console", "get_console")

    def test_volumes_are_attached_and_detached(self) -> None:
        """The machine knows whether its volumes are attached."""
        self.call("storage", "attach_volumes")
        self.assertTrue(self.machine.volumes_attached)
        self.call("storage", "detach_volumes")
        self.assertFalse(self.machine.volumes_attached)

    def test_the_vendor_methods_show_the_machine_and_let_things_go_wrong(self) -> None:
        """A client sees past the BMC, and can inject faults."""
        self.call("vendor", "faults", faults=[{"operation": "set_power", "effect": "lose"}])
        self.call("power", "set_power_state", PowerState.ON)
        shown = self.call("vendor", "machine")
        self.assertEqual("off", shown["power"])
        self.assertEqual(["set_power"], [one["operation"] for one in shown["commands"]])
        self.assertEqual({"machine", "faults", "touch"}, set(self.interfaces["vendor"].passthrus))  # type: ignore[attr-defined]
