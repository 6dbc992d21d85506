"""Power and boot device of a machine behind OpenIPMI's simulator."""

from __future__ import annotations

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    Deadline,
    DeadlineExceeded,
    NotSupported,
    PowerState,
    PowerStateFailure,
)
from baremetal_ipmi import IPMIConnector, IPMIPower
from tests.plugins.ipmi.base import SimulatorTestCase


class TestPower(SimulatorTestCase):
    """Chassis commands do what power states ask for."""

    def test_on_and_off_are_done_and_confirmed(self) -> None:
        """What the BMC says is what the machine is."""
        task = self.task()
        for state in (PowerState.ON, PowerState.OFF):
            task.power.set(state)
            self.assertEqual(state, task.power.get())
            self.assertEqual(state is PowerState.ON, self.sim.running)

    def test_command_that_changes_nothing_is_not_sent(self) -> None:
        """Many BMCs refuse it."""
        task = self.task()
        task.power.set(PowerState.OFF)
        before = len(self.sim.commands)
        task.call("power", "set_power_state", PowerState.OFF)
        task.call("power", "set_power_state", PowerState.SOFT_OFF)
        self.assertEqual(before, len(self.sim.commands))

    def test_reboot_resets_a_machine_that_is_on(self) -> None:
        """It is one command, and the machine stays on."""
        task = self.task()
        task.power.set(PowerState.ON)
        task.power.set(PowerState.REBOOT)
        self.assertEqual("reset 1", self.sim.commands[-1])
        self.assertTrue(self.sim.running)

    def test_reboot_switches_on_a_machine_that_is_off(self) -> None:
        """A reset would do nothing there."""
        task = self.task()
        task.power.set(PowerState.OFF)
        task.power.set(PowerState.REBOOT)
        self.assertEqual("power 1", self.sim.commands[-1])

    def test_soft_off_asks_the_operating_system(self) -> None:
        """It is another command than power off."""
        task = self.task()
        task.power.set(PowerState.ON)
        task.power.set(PowerState.SOFT_OFF)
        self.assertEqual("shutdown 1", self.sim.commands[-1])
        self.assertFalse(self.sim.running)

    def test_undeclared_state_is_refused(self) -> None:
        """There is no soft reboot in IPMI."""
        self.assertRaises(NotSupported, self.task().power.set, PowerState.SOFT_REBOOT)

    def test_sample_is_one_read_over_a_borrowed_session(self) -> None:
        """Power sync asks over a session that it was given, many times."""
        task = self.task()
        task.power.set(PowerState.ON)
        with task.session(IPMIConnector) as session:
            for _ in range(3):
                self.assertEqual(PowerState.ON, IPMIPower().sample_power(session, task.info("power"), Deadline.after(10.0)))


class TestStuckMachine(SimulatorTestCase):
    """A machine that takes commands and stays as it is."""

    def test_machine_that_does_not_obey_is_a_failure(self) -> None:
        """What the BMC accepted is not what happened."""
        self.sim.ignore_power_commands()
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 4.0)
        self.assertIn("last seen: power off", str(error))
        self.assertEqual(["power 1"], self.sim.commands)


class TestBootDevice(SimulatorTestCase):
    """Boot flags, as far as the simulator keeps them: the selector alone, and never as valid."""

    def test_selector_reaches_the_bmc(self) -> None:
        """Each device has the selector that the BMC knows it by."""
        task = self.task()
        known = {BootDevice.PXE: "pxe", BootDevice.CDROM: "cdrom", BootDevice.BIOS: "bios", BootDevice.DISK: "default"}
        for device, word in known.items():
            task.call("management", "set_boot_device", device)
            self.assertEqual(f"boot {word}", self.sim.commands[-1])

    def test_flags_that_are_not_valid_name_no_device(self) -> None:
        """What a BMC says it does not mean is not shown as a boot device."""
        task = self.task()
        task.power.boot_once(BootDevice.PXE)
        self.assertEqual(BootDeviceSetting(None, None), task.call("management", "get_boot_device"))

    def test_device_that_the_bmc_refuses_is_not_supported(self) -> None:
        """The error names the device, and what the BMC said."""
        error = self.assertRaises(NotSupported, self.task().call, "management", "set_boot_device", BootDevice.SAFE)
        self.assertIn("refuses safe as its boot device", str(error))

    def test_interrupt_is_sent_or_refused_by_the_bmc(self) -> None:
        """The simulator has none, and says so; the error names the completion code."""
        error = self.assertRaises(NotSupported, self.task().call, "management", "inject_nmi")
        self.assertIn("completion code", str(error))

    def test_deadline_is_that_of_the_task(self) -> None:
        """The kept session takes the deadline of whoever uses it."""
        task = self.task()
        with task.session(IPMIConnector) as session:
            session.request(0, 1, deadline=task.deadline)
            error = self.assertRaises(DeadlineExceeded, session.request, 0, 1, deadline=Deadline(0.0))
            self.assertIn("no time left", str(error))
