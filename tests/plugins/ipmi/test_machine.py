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
    """Power states by chassis commands."""

    def test_power_changes_are_confirmed(self) -> None:
        """The power state that the BMC reports is that of the machine."""
        task = self.task()
        for state in (PowerState.ON, PowerState.OFF):
            task.power.set(state)
            self.assertEqual(state, task.power.get())
            self.assertEqual(state is PowerState.ON, self.sim.is_powered_on)

    def test_command_without_an_effect_is_not_sent(self) -> None:
        """Many BMCs refuse a power command that changes nothing, so none is sent."""
        task = self.task()
        task.power.set(PowerState.OFF)
        before = len(self.sim.commands)
        task.call("power", "set_power_state", PowerState.OFF)
        task.call("power", "set_power_state", PowerState.SOFT_OFF)
        self.assertEqual(before, len(self.sim.commands))

    def test_reboot_resets_a_machine_that_is_on(self) -> None:
        """A reboot is one reset command, and the machine stays on."""
        task = self.task()
        task.power.set(PowerState.ON)
        task.power.set(PowerState.REBOOT)
        self.assertEqual("reset 1", self.sim.commands[-1])
        self.assertTrue(self.sim.is_powered_on)

    def test_reboot_powers_on_a_machine_that_is_off(self) -> None:
        """A machine that is off is powered on, because a reset would have no effect."""
        task = self.task()
        task.power.set(PowerState.OFF)
        task.power.set(PowerState.REBOOT)
        self.assertEqual("power 1", self.sim.commands[-1])

    def test_soft_off_asks_the_operating_system(self) -> None:
        """Soft power off is a command of its own."""
        task = self.task()
        task.power.set(PowerState.ON)
        task.power.set(PowerState.SOFT_OFF)
        self.assertEqual("shutdown 1", self.sim.commands[-1])
        self.assertFalse(self.sim.is_powered_on)

    def test_undeclared_state_is_refused(self) -> None:
        """Soft reboot is refused, because IPMI has no command for it."""
        self.assertRaises(NotSupported, self.task().power.set, PowerState.SOFT_REBOOT)

    def test_sample_is_one_read_over_a_borrowed_session(self) -> None:
        """Power sync reads the state several times over one session."""
        task = self.task()
        task.power.set(PowerState.ON)
        with task.session(IPMIConnector) as session:
            for _ in range(3):
                self.assertEqual(PowerState.ON, IPMIPower().sample_power(session, task.info("power"), Deadline.after(10.0)))


class TestStuckMachine(SimulatorTestCase):
    """A machine that accepts commands without an effect."""

    def test_power_change_without_an_effect_is_a_failure(self) -> None:
        """An accepted command without an effect is an error."""
        self.sim.ignore_power_commands()
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 4.0)
        self.assertIn("last seen: power off", str(error))
        self.assertEqual(["power 1"], self.sim.commands)


class TestBootDevice(SimulatorTestCase):
    """Boot flags at the simulator, which stores only the device selector and never marks the flags as valid."""

    def test_selector_reaches_the_bmc(self) -> None:
        """Each device has the selector that the BMC knows."""
        task = self.task()
        known = {BootDevice.PXE: "pxe", BootDevice.CDROM: "cdrom", BootDevice.BIOS: "bios", BootDevice.DISK: "default"}
        for device, word in known.items():
            task.call("management", "set_boot_device", device)
            self.assertEqual(f"boot {word}", self.sim.commands[-1])

    def test_invalid_flags_have_no_device(self) -> None:
        """Flags that the BMC does not mark as valid are not reported as a boot device."""
        task = self.task()
        task.power.boot_once(BootDevice.PXE)
        self.assertEqual(BootDeviceSetting(None, None), task.call("management", "get_boot_device"))

    def test_refused_device_is_not_supported(self) -> None:
        """The error names the device and contains the BMC's answer."""
        error = self.assertRaises(NotSupported, self.task().call, "management", "set_boot_device", BootDevice.SAFE)
        self.assertIn("refuses safe as its boot device", str(error))

    def test_interrupt_that_the_bmc_refuses(self) -> None:
        """The error of a BMC without interrupts contains the completion code."""
        error = self.assertRaises(NotSupported, self.task().call, "management", "inject_nmi")
        self.assertIn("completion code", str(error))

    def test_deadline_of_the_task_applies(self) -> None:
        """A kept session uses the deadline of each caller."""
        task = self.task()
        with task.session(IPMIConnector) as session:
            session.request(0, 1, deadline=task.deadline)
            error = self.assertRaises(DeadlineExceeded, session.request, 0, 1, deadline=Deadline(0.0))
            self.assertIn("too little time is left", str(error))
