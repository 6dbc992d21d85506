"""Power and boot device of a local task: done only when a read confirms it. The clock is turned by whoever waits."""

from __future__ import annotations

import uuid
from typing import Any

from testtools import TestCase

from baremetal_interfaces import (
    AuthenticationFailed,
    BootDevice,
    BootDeviceSetting,
    Cancelled,
    Fault,
    LocalTask,
    NotSupported,
    PowerState,
    PowerStateFailure,
    Task,
    UnexpectedAnswer,
)
from baremetal_sdk.drivers.builtin.noop import NoopManagement
from tests.contract import acme


class Slow:
    """A machine that obeys some seconds after the command."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.pending: tuple[float, PowerState] | None = None

    def wait(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)

    def command(self, machine: acme.Machine, state: PowerState) -> None:
        self.pending = (self.now + self.seconds, state.outcome)

    def read(self, machine: acme.Machine) -> None:
        if self.pending is not None and self.now >= self.pending[0]:
            machine.power = self.pending[1]


class AllStates(acme.AcmePower):
    """Declares everything."""

    supported_states = frozenset(PowerState) - {PowerState.UNKNOWN}


class PowerTestCase(TestCase):
    """A machine that takes four seconds to obey."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        self.slow = Slow(4.0)
        self.machine = acme.Machine(on_command=self.slow.command, on_read=self.slow.read)
        acme.MACHINES[self.address] = self.machine
        self.addCleanup(acme.MACHINES.pop, self.address)

    def task(self, power: acme.AcmePower | None = None, management: Any = None, **settings: Any) -> LocalTask:
        given = {"power": power or acme.AcmePower(), "management": management or acme.AcmeManagement()}
        clock: dict[str, Any] = {"clock": lambda: self.slow.now, "wait": self.slow.wait}
        return LocalTask(given, acme.driver_info(self.address), **{**clock, **settings})

    def commands(self) -> list[str]:
        return [line for line in self.machine.log if not line.startswith("log")]


class TestPower(PowerTestCase):
    """Commands and their confirmation."""

    def test_success_is_said_after_a_read_that_confirms_it(self) -> None:
        """set() returns once the BMC says what was wanted, not when it took the command."""
        self.task().power.set(PowerState.ON)
        self.assertEqual((PowerState.ON, 4.0), (self.machine.power, self.slow.now))
        self.assertEqual(["power on"], self.commands())

    def test_machine_that_does_not_get_there_in_time(self) -> None:
        """The error says what was wanted and what was last seen, at the time that was given."""
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 3.0)
        self.assertIn("'power on'", str(error))
        self.assertIn("last seen: power off", str(error))
        self.assertEqual(3.0, self.slow.now)

    def test_time_of_the_task_bounds_every_change(self) -> None:
        """A timeout that is longer than the task does not make it longer."""
        task = self.task(timeout=2.0)
        self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 60.0)
        self.assertEqual(2.0, self.slow.now)

    def test_driver_sees_the_time_of_the_change_as_its_deadline(self) -> None:
        """What a driver does for a change ends with it; afterwards the task has its own time again."""
        remaining: list[float] = []

        class Looking(acme.AcmePower):
            def set_power_state(self, task: Task, state: PowerState) -> None:
                remaining.append(task.deadline.remaining())
                super().set_power_state(task, state)

        task = self.task(Looking(), timeout=100.0)
        task.power.set(PowerState.ON, timeout=7.0)
        self.assertEqual([7.0], remaining)
        self.assertEqual(96.0, task.deadline.remaining())

    def test_reboot_that_is_not_declared_is_off_confirmed_and_on(self) -> None:
        """The second command is sent only after the machine was seen off."""
        self.machine.power = PowerState.ON
        self.task().power.set(PowerState.REBOOT)
        self.assertEqual(["power off", "power on"], self.commands())
        self.assertEqual(8.0, self.slow.now)

    def test_reboot_that_is_declared_is_the_drivers(self) -> None:
        """It is sent as it is, and the machine is on afterwards."""
        self.task(AllStates()).power.set(PowerState.REBOOT)
        self.assertEqual(["rebooting"], self.commands())
        self.assertEqual(PowerState.ON, self.machine.power)

    def test_soft_off_is_confirmed_as_off(self) -> None:
        """The outcome of a command is what is waited for."""
        self.machine.power = PowerState.ON
        self.task(AllStates()).power.set(PowerState.SOFT_OFF)
        self.assertEqual(PowerState.OFF, self.machine.power)

    def test_undeclared_state_is_refused_before_the_driver_is_called(self) -> None:
        """The error names what is supported; an observation is no command."""
        for state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT, PowerState.UNKNOWN):
            error = self.assertRaises(NotSupported, self.task().power.set, state)
            self.assertIn("supported: power off, power on", str(error))
        self.assertEqual([], self.machine.log)

    def test_bmc_that_is_away_for_a_moment_is_asked_again(self) -> None:
        """A BMC that restarts with its machine does not make a change fail, as long as it comes back in time."""

        def read(machine: acme.Machine) -> None:
            if self.slow.now < 6.0 and self.slow.pending is not None:
                raise acme.AcmeError("away", Fault.UNREACHABLE if self.slow.now < 3.0 else Fault.BUSY)
            self.slow.read(machine)

        self.machine.on_read = read
        self.task().power.set(PowerState.ON)
        self.assertEqual(6.0, self.slow.now)

    def test_bmc_that_stays_away_is_named_in_the_failure(self) -> None:
        """What could not be seen is not assumed."""

        def read(machine: acme.Machine) -> None:
            raise acme.AcmeError("away", Fault.UNREACHABLE)

        self.machine.on_read = read
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 5.0)
        self.assertIn("does not answer", str(error))

    def test_refused_credentials_end_the_wait_at_once(self) -> None:
        """Asking again would lock the account."""

        def read(machine: acme.Machine) -> None:
            raise acme.AcmeError("no", Fault.AUTH)

        self.machine.on_read = read
        self.assertRaises(AuthenticationFailed, self.task().power.set, PowerState.ON)
        self.assertEqual(0.0, self.slow.now)

    def test_cancelling_ends_the_wait(self) -> None:
        """The machine is left as it is, and the error says so."""
        task: LocalTask = self.task(wait=lambda seconds: task.cancel())
        error = self.assertRaises(Cancelled, task.power.set, PowerState.ON)
        self.assertIn("last seen: power off", str(error))


class TestBootOnce(PowerTestCase):
    """The next boot."""

    def test_boot_device_is_set_and_read_back(self) -> None:
        """It is set for one boot."""
        self.task().power.boot_once(BootDevice.PXE)
        self.assertEqual(BootDeviceSetting(BootDevice.PXE, False), self.machine.boot)

    def test_unsupported_device_is_refused_before_the_driver_is_called(self) -> None:
        """The error names what is supported."""
        error = self.assertRaises(NotSupported, self.task().power.boot_once, BootDevice.CDROM)
        self.assertIn("supported: disk, pxe", str(error))
        self.assertEqual([], self.machine.log)
        error = self.assertRaises(NotSupported, self.task(management=NoopManagement()).power.boot_once, BootDevice.PXE)
        self.assertIn("supported: nothing", str(error))

    def test_device_that_reads_back_otherwise_was_not_set(self) -> None:
        """What the BMC says counts; where it says nothing, that is accepted."""

        class Forgetful(acme.AcmeManagement):
            says: BootDevice | None = BootDevice.DISK

            def get_boot_device(self, task: Task) -> BootDeviceSetting:
                return BootDeviceSetting(self.says, None)

        error = self.assertRaises(UnexpectedAnswer, self.task(management=Forgetful()).power.boot_once, BootDevice.PXE)
        self.assertIn("set to pxe, and the BMC reports disk", str(error))
        Forgetful.says = None
        self.task(management=Forgetful()).power.boot_once(BootDevice.PXE)
