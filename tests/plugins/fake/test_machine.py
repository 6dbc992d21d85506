"""A simulated machine with a manual clock: power, boot, firmware and media."""

from __future__ import annotations

import threading

import testtools

from baremetal_fake import Machine, Power, Timings
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import BootDevice, BootMode, PowerState, VirtualMediaDevice


class MachineTestCase(testtools.TestCase):
    """A machine that takes 4 s to switch on, 2 s to switch off and 30 s to shut down."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.machine = Machine("m", clock=self.clock, timings=Timings(power_on=4.0, power_off=2.0, shutdown=30.0))

    def switch_on(self) -> None:
        self.machine.command_power(PowerState.ON)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)


class TestPower(MachineTestCase):
    """Power changes take time, and a new command replaces one in progress."""

    def test_a_new_machine_is_off_and_has_never_booted(self) -> None:
        """A new machine is off and has not booted."""
        self.assertIs(Power.OFF, self.machine.power)
        self.assertEqual(0, self.machine.boot_count)
        self.assertIsNone(self.machine.last_boot)

    def test_power_on_is_in_progress_until_its_time_is_over(self) -> None:
        """The power is POWERING_ON until the change is complete."""
        self.machine.command_power(PowerState.ON)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(3.9)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(0.1)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(1, self.machine.boot_count)

    def test_power_on_of_a_machine_that_is_on_does_not_boot_again(self) -> None:
        """Power on does nothing at a machine that is on."""
        self.switch_on()
        self.machine.command_power(PowerState.ON)
        self.clock.turn(100.0)
        self.assertEqual(1, self.machine.boot_count)

    def test_a_reboot_switches_off_and_on_and_boots_once(self) -> None:
        """A reboot switches the machine off and on again."""
        self.switch_on()
        self.machine.command_power(PowerState.REBOOT)
        self.assertIs(Power.POWERING_OFF, self.machine.power)
        self.clock.turn(2.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(2, self.machine.boot_count)

    def test_a_reboot_completes_without_reads_in_between(self) -> None:
        """The next access runs all due actions in order, each with its due time."""
        self.switch_on()
        self.machine.command_power(PowerState.REBOOT)
        began = self.clock()
        self.clock.turn(3600.0)
        self.assertIs(Power.ON, self.machine.power)
        assert self.machine.last_boot is not None
        self.assertEqual(began + 6.0, self.machine.last_boot.at)

    def test_a_reboot_of_a_machine_that_is_off_switches_it_on(self) -> None:
        """A reboot ends with a running machine."""
        self.machine.command_power(PowerState.REBOOT)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_soft_power_off_takes_the_shutdown_time(self) -> None:
        """A soft power off takes as long as the operating system needs to shut down."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(29.0)
        self.assertIs(Power.POWERING_OFF, self.machine.power)
        self.clock.turn(1.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_hard_power_off_replaces_a_soft_one(self) -> None:
        """A hard power off replaces a soft one in progress."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(1.0)
        self.machine.command_power(PowerState.OFF)
        self.clock.turn(2.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(100.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_power_on_replaces_a_shutdown(self) -> None:
        """The remaining actions of a replaced command do not happen."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(1.0)
        self.machine.command_power(PowerState.ON)
        self.clock.turn(100.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_system_that_ignores_shutdown_keeps_running(self) -> None:
        """An operating system can ignore soft commands, but not hard ones."""
        self.switch_on()
        self.machine.ignores_shutdown = True
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(100.0)
        self.assertIs(Power.ON, self.machine.power)
        self.machine.command_power(PowerState.OFF)
        self.clock.turn(2.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_late_command_changes_nothing_until_it_begins(self) -> None:
        """An accepted command may begin later."""
        self.machine.command_power(PowerState.ON, delay=10.0)
        self.clock.turn(9.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(1.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)

    def test_power_returns_after_a_bounce(self) -> None:
        """A bounce restores the former power."""
        self.switch_on()
        self.machine.command_power(PowerState.OFF)
        self.machine.bounce(5.0, Power.ON)
        self.clock.turn(3.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(2.0)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(2, self.machine.boot_count)

    def test_unknown_is_not_a_command(self) -> None:
        """The state UNKNOWN is not a power command."""
        self.assertRaises(ValueError, self.machine.command_power, PowerState.UNKNOWN)


class TestBoot(MachineTestCase):
    """The device and the image of a boot follow from the settings of the machine."""

    def setUp(self) -> None:
        super().setUp()
        self.machine.timings = Timings()
        self.machine.disk_image = "disk"
        self.machine.network_image = "net"

    def reboot(self) -> tuple[BootDevice, str | None]:
        """Reboot the machine, and return the device and the image of the boot."""
        self.machine.command_power(PowerState.REBOOT)
        assert self.machine.last_boot is not None
        return self.machine.last_boot.device, self.machine.last_boot.image

    def test_without_an_override_the_disk_is_booted(self) -> None:
        """The disk is the default boot device."""
        self.assertEqual((BootDevice.DISK, "disk"), self.reboot())

    def test_an_override_for_one_boot_ends_with_the_boot(self) -> None:
        """An override for one boot is cleared by that boot."""
        self.machine.set_boot_device(BootDevice.PXE)
        self.assertEqual((BootDevice.PXE, False), self.machine.boot_override)
        self.assertEqual((BootDevice.PXE, "net"), self.reboot())
        self.assertEqual((None, False), self.machine.boot_override)
        self.assertEqual((BootDevice.DISK, "disk"), self.reboot())

    def test_a_persistent_override_applies_to_every_boot(self) -> None:
        """A persistent override applies until it is cleared."""
        self.machine.set_boot_device(BootDevice.PXE, persistent=True)
        self.reboot()
        self.assertEqual((BootDevice.PXE, "net"), self.reboot())
        self.machine.set_boot_device(None)
        self.assertEqual((BootDevice.DISK, "disk"), self.reboot())

    def test_an_empty_drive_is_skipped(self) -> None:
        """A machine boots from the virtual CD if it holds an image, and otherwise from the disk."""
        self.machine.set_boot_device(BootDevice.CDROM, persistent=True)
        self.assertEqual((BootDevice.DISK, "disk"), self.reboot())
        self.machine.insert_media(VirtualMediaDevice.CDROM, "http://images/a.iso")
        self.assertEqual((BootDevice.CDROM, "http://images/a.iso"), self.reboot())
        self.machine.eject_media(VirtualMediaDevice.CDROM)
        self.assertEqual((BootDevice.DISK, "disk"), self.reboot())

    def test_secure_boot_and_mode_take_effect_at_the_next_boot(self) -> None:
        """New settings read back at once, and take effect at the next boot."""
        self.reboot()
        self.machine.set_secure_boot(True)
        assert self.machine.last_boot is not None
        self.assertTrue(self.machine.secure_boot)
        self.assertFalse(self.machine.last_boot.secure_boot)
        self.reboot()
        self.assertTrue(self.machine.last_boot.secure_boot)
        self.machine.set_boot_mode(BootMode.BIOS)
        self.assertIs(BootMode.UEFI, self.machine.last_boot.mode)
        self.reboot()
        self.assertIs(BootMode.BIOS, self.machine.last_boot.mode)
        self.assertFalse(self.machine.last_boot.secure_boot, "secure boot takes UEFI")

    def test_bios_settings_take_effect_at_the_next_boot(self) -> None:
        """A BIOS setting is pending until the machine boots."""
        firmware = self.machine.firmware
        firmware.request({"LogicalProc": "Disabled"})
        self.assertEqual("Enabled", firmware.current()["LogicalProc"])
        self.assertEqual({"LogicalProc": "Disabled"}, firmware.pending())
        self.reboot()
        self.assertEqual("Disabled", firmware.current()["LogicalProc"])
        self.assertEqual({}, firmware.pending())

    def test_wrong_bios_settings_are_all_named_and_change_nothing(self) -> None:
        """A request with a wrong setting changes no setting."""
        wanted = {"LogicalProc": "Disabled", "BootRetryDelay": "601", "Nonsense": "1", "SystemBiosVersion": "2"}
        error = self.assertRaises(ValueError, self.machine.firmware.request, wanted)
        for name in ("BootRetryDelay", "Nonsense", "SystemBiosVersion"):
            self.assertIn(name, str(error))
        self.assertEqual({}, self.machine.firmware.pending())


class TestInventory(testtools.TestCase):
    """The inventory of a machine is derived from its name."""

    def test_the_same_name_gives_the_same_inventory(self) -> None:
        """Two machines with the same name have the same inventory, so a restart changes no MAC address."""
        clock = ManualClock()
        self.assertEqual(Machine("m", clock=clock).inventory, Machine("m", clock=clock).inventory)

    def test_ten_thousand_machines_share_no_mac_address(self) -> None:
        """MAC addresses are unique over a large fleet, locally administered and unicast."""
        clock = ManualClock()
        macs = [nic.mac for number in range(10_000) for nic in Machine(str(number), clock=clock).inventory.nics]
        self.assertEqual(len(macs), len(set(macs)))
        self.assertEqual({"02"}, {mac[:2] for mac in macs})

    def test_network_interfaces_can_be_replaced(self) -> None:
        """A test can set its own MAC addresses."""
        machine = Machine("m", clock=ManualClock())
        machine.set_nics("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")
        self.assertEqual(["eth0", "eth1", "eth2"], [nic.name for nic in machine.inventory.nics])
        self.assertEqual("02:00:00:00:00:03", machine.inventory.nics[2].mac)


class TestManyThreads(testtools.TestCase):
    """A machine is thread-safe."""

    def test_reboots_from_many_threads_are_all_counted(self) -> None:
        """No boot is lost or counted twice."""
        machine = Machine("m", clock=ManualClock())
        start = threading.Barrier(8)

        def reboot() -> None:
            start.wait(timeout=10.0)
            for _ in range(200):
                machine.command_power(PowerState.REBOOT)

        threads = [threading.Thread(target=reboot) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30.0)
        self.assertEqual(1600, machine.boot_count)
