"""Power and boot device control of a local task. Each wait advances a manual clock."""

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


class SlowMachine:
    """Carries out each power command *seconds* after it was sent."""

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
    """Declares all power states that can be requested."""

    supported_states = frozenset(PowerState) - {PowerState.UNKNOWN}


class PowerTestCase(TestCase):
    """Base of tests with a machine that carries out commands after four seconds."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        self.slow = SlowMachine(4.0)
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
    """task.power.set()"""

    def test_set_returns_after_a_read_confirms_the_state(self) -> None:
        """set() returns when the BMC reports the requested state, not when it accepts the command."""
        self.task().power.set(PowerState.ON)
        self.assertEqual(PowerState.ON, self.machine.power)
        self.assertEqual(4.0, self.slow.now)
        self.assertEqual(["power on"], self.commands())

    def test_state_that_is_not_reached_in_time_is_a_failure(self) -> None:
        """The error names the requested state and the last one read, and comes when the time limit ends."""
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 3.0)
        self.assertIn("'power on'", str(error))
        self.assertIn("last seen: power off", str(error))
        self.assertEqual(3.0, self.slow.now)

    def test_task_deadline_limits_every_change(self) -> None:
        """A timeout does not extend the deadline of the task."""
        task = self.task(timeout=2.0)
        self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 60.0)
        self.assertEqual(2.0, self.slow.now)

    def test_driver_gets_the_timeout_of_the_change_as_deadline(self) -> None:
        """The deadline is that of the change during the change, and that of the task afterwards."""
        remaining: list[float] = []

        class RecordingPower(acme.AcmePower):
            def set_power_state(self, task: Task, state: PowerState) -> None:
                remaining.append(task.deadline.remaining())
                super().set_power_state(task, state)

        task = self.task(RecordingPower(), timeout=100.0)
        task.power.set(PowerState.ON, timeout=7.0)
        self.assertEqual([7.0], remaining)
        self.assertEqual(96.0, task.deadline.remaining())

    def test_undeclared_reboot_is_power_off_and_power_on(self) -> None:
        """Power on is sent only after a read has confirmed that the machine is off."""
        self.machine.power = PowerState.ON
        self.task().power.set(PowerState.REBOOT)
        self.assertEqual(["power off", "power on"], self.commands())
        self.assertEqual(8.0, self.slow.now)

    def test_declared_reboot_is_one_command(self) -> None:
        """The driver gets the reboot command, and the machine is on afterwards."""
        self.task(AllStates()).power.set(PowerState.REBOOT)
        self.assertEqual(["rebooting"], self.commands())
        self.assertEqual(PowerState.ON, self.machine.power)

    def test_soft_off_is_confirmed_as_off(self) -> None:
        """set() waits for the outcome of the command."""
        self.machine.power = PowerState.ON
        self.task(AllStates()).power.set(PowerState.SOFT_OFF)
        self.assertEqual(PowerState.OFF, self.machine.power)

    def test_undeclared_state_is_refused_before_the_driver_is_called(self) -> None:
        """The error names the supported states; UNKNOWN cannot be requested."""
        for state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT, PowerState.UNKNOWN):
            error = self.assertRaises(NotSupported, self.task().power.set, state)
            self.assertIn("supported: power off, power on", str(error))
        self.assertEqual([], self.machine.log)

    def test_bmc_without_answer_is_read_again(self) -> None:
        """A change succeeds although the BMC is unreachable or busy for a while, if it answers in time."""

        def read(machine: acme.Machine) -> None:
            if self.slow.now < 6.0 and self.slow.pending is not None:
                raise acme.AcmeError("away", Fault.UNREACHABLE if self.slow.now < 3.0 else Fault.BUSY)
            self.slow.read(machine)

        self.machine.on_read = read
        self.task().power.set(PowerState.ON)
        self.assertEqual(6.0, self.slow.now)

    def test_unreachable_bmc_is_named_in_the_failure(self) -> None:
        """Without a read that confirms it a change fails, and the error says that the BMC does not answer."""

        def read(machine: acme.Machine) -> None:
            raise acme.AcmeError("away", Fault.UNREACHABLE)

        self.machine.on_read = read
        error = self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.ON, 5.0)
        self.assertIn("does not answer", str(error))

    def test_refused_credentials_end_the_wait_at_once(self) -> None:
        """The change fails after one attempt, because more attempts could lock the account."""

        def read(machine: acme.Machine) -> None:
            raise acme.AcmeError("no", Fault.AUTH)

        self.machine.on_read = read
        self.assertRaises(AuthenticationFailed, self.task().power.set, PowerState.ON)
        self.assertEqual(0.0, self.slow.now)

    def test_cancel_ends_the_wait(self) -> None:
        """A cancelled change raises Cancelled with the last state read."""
        task: LocalTask = self.task(wait=lambda seconds: task.cancel())
        error = self.assertRaises(Cancelled, task.power.set, PowerState.ON)
        self.assertIn("last seen: power off", str(error))


class TestBootOnce(PowerTestCase):
    """task.power.boot_once()"""

    def test_boot_device_is_set_and_read_back(self) -> None:
        """The boot device is set for the next boot only."""
        self.task().power.boot_once(BootDevice.PXE)
        self.assertEqual(BootDeviceSetting(BootDevice.PXE, False), self.machine.boot)

    def test_unsupported_device_is_refused_before_the_driver_is_called(self) -> None:
        """The error names the supported boot devices."""
        error = self.assertRaises(NotSupported, self.task().power.boot_once, BootDevice.CDROM)
        self.assertIn("supported: disk, pxe", str(error))
        self.assertEqual([], self.machine.log)
        error = self.assertRaises(NotSupported, self.task(management=NoopManagement()).power.boot_once, BootDevice.PXE)
        self.assertIn("supported: nothing", str(error))

    def test_boot_device_that_reads_back_differently_is_an_error(self) -> None:
        """Another device is an error; a BMC that does not report the device is accepted."""

        class Forgetful(acme.AcmeManagement):
            says: BootDevice | None = BootDevice.DISK

            def get_boot_device(self, task: Task) -> BootDeviceSetting:
                return BootDeviceSetting(self.says, None)

        error = self.assertRaises(UnexpectedAnswer, self.task(management=Forgetful()).power.boot_once, BootDevice.PXE)
        self.assertIn("set to pxe, and the BMC reports disk", str(error))
        Forgetful.says = None
        self.task(management=Forgetful()).power.boot_once(BootDevice.PXE)
