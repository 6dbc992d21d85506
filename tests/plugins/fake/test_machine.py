"""A simulated machine: power, boot, firmware and media, over a turned clock."""

from __future__ import annotations

import threading

import testtools

from baremetal_fake import Machine, Power, Timings
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import BootDevice, BootMode, PowerState, VirtualMediaDevice


class MachineTestCase(testtools.TestCase):
    """A machine that takes 4 s to come on, 2 s to go off and 30 s to shut down."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.machine = Machine("m", clock=self.clock, timings=Timings(power_on=4.0, power_off=2.0, shutdown=30.0))

    def switch_on(self) -> None:
        self.machine.command_power(PowerState.ON)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)


class TestPower(MachineTestCase):
    """Power changes take time, and the newest command wins."""

    def test_a_new_machine_is_off_and_has_never_booted(self) -> None:
        """A machine starts switched off."""
        self.assertIs(Power.OFF, self.machine.power)
        self.assertEqual(0, self.machine.boot_count)
        self.assertIsNone(self.machine.last_boot)

    def test_power_on_shows_the_change_until_it_is_over(self) -> None:
        """Between two states the machine says which way it is going."""
        self.machine.command_power(PowerState.ON)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(3.9)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(0.1)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(1, self.machine.boot_count)

    def test_power_on_of_a_machine_that_is_on_does_not_boot_again(self) -> None:
        """What is already so needs no change."""
        self.switch_on()
        self.machine.command_power(PowerState.ON)
        self.clock.turn(100.0)
        self.assertEqual(1, self.machine.boot_count)

    def test_a_reboot_goes_through_off_and_boots_once(self) -> None:
        """A restart is off and then on."""
        self.switch_on()
        self.machine.command_power(PowerState.REBOOT)
        self.assertIs(Power.POWERING_OFF, self.machine.power)
        self.clock.turn(2.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(2, self.machine.boot_count)

    def test_a_reboot_is_complete_even_if_nobody_looked_meanwhile(self) -> None:
        """What was due happens in order at the next look, at the times at which it was due."""
        self.switch_on()
        self.machine.command_power(PowerState.REBOOT)
        began = self.clock()
        self.clock.turn(3600.0)
        self.assertIs(Power.ON, self.machine.power)
        assert self.machine.last_boot is not None
        self.assertEqual(began + 6.0, self.machine.last_boot.at)

    def test_a_reboot_of_a_machine_that_is_off_switches_it_on(self) -> None:
        """A restart ends with a running machine."""
        self.machine.command_power(PowerState.REBOOT)
        self.clock.turn(4.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_soft_power_off_takes_as_long_as_the_system_needs(self) -> None:
        """Shutting down takes the operating system's time."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(29.0)
        self.assertIs(Power.POWERING_OFF, self.machine.power)
        self.clock.turn(1.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_hard_power_off_overtakes_a_soft_one(self) -> None:
        """A newer command takes the place of one in progress."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(1.0)
        self.machine.command_power(PowerState.OFF)
        self.clock.turn(2.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(100.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_power_on_overtakes_a_shutdown(self) -> None:
        """What was still to happen by an older command does not happen."""
        self.switch_on()
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(1.0)
        self.machine.command_power(PowerState.ON)
        self.clock.turn(100.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_system_that_ignores_the_request_goes_on_running(self) -> None:
        """Soft commands need the operating system's consent, hard ones do not."""
        self.switch_on()
        self.machine.ignores_shutdown = True
        self.machine.command_power(PowerState.SOFT_OFF)
        self.clock.turn(100.0)
        self.assertIs(Power.ON, self.machine.power)
        self.machine.command_power(PowerState.OFF)
        self.clock.turn(2.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_late_command_leaves_the_state_alone_until_it_begins(self) -> None:
        """An accepted command may begin later."""
        self.machine.command_power(PowerState.ON, delay=10.0)
        self.clock.turn(9.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(1.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)

    def test_power_bounces_back_after_a_command(self) -> None:
        """A bounce undoes whatever was reached in the meantime."""
        self.switch_on()
        self.machine.command_power(PowerState.OFF)
        self.machine.bounce(5.0, Power.ON)
        self.clock.turn(3.0)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(2.0)
        self.assertIs(Power.ON, self.machine.power)
        self.assertEqual(2, self.machine.boot_count)

    def test_unknown_is_not_a_command(self) -> None:
        """Only states that can be asked for are taken."""
        self.assertRaises(ValueError, self.machine.command_power, PowerState.UNKNOWN)


class TestBoot(MachineTestCase):
    """What a machine boots follows from what it was told."""

    def setUp(self) -> None:
        super().setUp()
        self.machine.timings = Timings()
        self.machine.disk_image = "disk"
        self.machine.network_image = "net"

    def booted(self) -> tuple[BootDevice, str | None]:
        self.machine.command_power(PowerState.REBOOT)
        assert self.machine.last_boot is not None
        return self.machine.last_boot.device, self.machine.last_boot.image

    def test_without_an_override_the_disk_is_booted(self) -> None:
        """The disk is the default."""
        self.assertEqual((BootDevice.DISK, "disk"), self.booted())

    def test_a_device_for_once_is_used_up_by_one_boot(self) -> None:
        """An override for once is gone after the boot that it was for."""
        self.machine.set_boot_device(BootDevice.PXE)
        self.assertEqual((BootDevice.PXE, False), self.machine.boot_override)
        self.assertEqual((BootDevice.PXE, "net"), self.booted())
        self.assertEqual((None, False), self.machine.boot_override)
        self.assertEqual((BootDevice.DISK, "disk"), self.booted())

    def test_a_persistent_device_is_used_at_every_boot(self) -> None:
        """An override for every boot stays until it is taken back."""
        self.machine.set_boot_device(BootDevice.PXE, persistent=True)
        self.booted()
        self.assertEqual((BootDevice.PXE, "net"), self.booted())
        self.machine.set_boot_device(None)
        self.assertEqual((BootDevice.DISK, "disk"), self.booted())

    def test_the_virtual_cd_is_booted_when_there_is_one(self) -> None:
        """An empty drive is passed over."""
        self.machine.set_boot_device(BootDevice.CDROM, persistent=True)
        self.assertEqual((BootDevice.DISK, "disk"), self.booted())
        self.machine.insert_media(VirtualMediaDevice.CDROM, "http://images/a.iso")
        self.assertEqual((BootDevice.CDROM, "http://images/a.iso"), self.booted())
        self.machine.eject_media(VirtualMediaDevice.CDROM)
        self.assertEqual((BootDevice.DISK, "disk"), self.booted())

    def test_secure_boot_and_mode_take_effect_at_the_next_boot(self) -> None:
        """What is set shows at once; what the machine runs with changes when it boots."""
        self.booted()
        self.machine.set_secure_boot(True)
        assert self.machine.last_boot is not None
        self.assertTrue(self.machine.secure_boot)
        self.assertFalse(self.machine.last_boot.secure_boot)
        self.booted()
        self.assertTrue(self.machine.last_boot.secure_boot)
        self.machine.set_boot_mode(BootMode.BIOS)
        self.assertIs(BootMode.UEFI, self.machine.last_boot.mode)
        self.booted()
        self.assertIs(BootMode.BIOS, self.machine.last_boot.mode)
        self.assertFalse(self.machine.last_boot.secure_boot, "secure boot takes UEFI")

    def test_bios_settings_wait_for_the_boot(self) -> None:
        """A setting is pending until the machine boots."""
        firmware = self.machine.firmware
        firmware.request({"LogicalProc": "Disabled"})
        self.assertEqual("Enabled", firmware.current()["LogicalProc"])
        self.assertEqual({"LogicalProc": "Disabled"}, firmware.pending())
        self.booted()
        self.assertEqual("Disabled", firmware.current()["LogicalProc"])
        self.assertEqual({}, firmware.pending())

    def test_wrong_bios_settings_are_named_and_none_is_taken(self) -> None:
        """Settings are taken together or not at all."""
        wanted = {"LogicalProc": "Disabled", "BootRetryDelay": "601", "Nonsense": "1", "SystemBiosVersion": "2"}
        error = self.assertRaises(ValueError, self.machine.firmware.request, wanted)
        for name in ("BootRetryDelay", "Nonsense", "SystemBiosVersion"):
            self.assertIn(name, str(error))
        self.assertEqual({}, self.machine.firmware.pending())


class TestInventory(testtools.TestCase):
    """What a machine is made of follows from its name."""

    def test_the_same_name_gives_the_same_machine(self) -> None:
        """A restart changes no MAC address."""
        clock = ManualClock()
        self.assertEqual(Machine("m", clock=clock).inventory, Machine("m", clock=clock).inventory)

    def test_ten_thousand_machines_share_no_mac_address(self) -> None:
        """Addresses are unique over a large fleet, locally administered and unicast."""
        clock = ManualClock()
        macs = [nic.mac for number in range(10_000) for nic in Machine(str(number), clock=clock).inventory.nics]
        self.assertEqual(len(macs), len(set(macs)))
        self.assertEqual({"02"}, {mac[:2] for mac in macs})

    def test_network_interfaces_can_be_given(self) -> None:
        """A test may want addresses of its own."""
        machine = Machine("m", clock=ManualClock())
        machine.set_nics("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")
        self.assertEqual(["eth0", "eth1", "eth2"], [nic.name for nic in machine.inventory.nics])
        self.assertEqual("02:00:00:00:00:03", machine.inventory.nics[2].mac)


class TestManyThreads(testtools.TestCase):
    """A machine may be used from any thread."""

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
