"""Power and boot device control for a task without a runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.errors import (
    BMCBusy,
    BMCUnreachable,
    Cancelled,
    DeadlineExceeded,
    NotSupported,
    PowerStateFailure,
    UnexpectedAnswer,
)
from baremetal_interfaces.task import Task
from baremetal_interfaces.values import BootDevice, Kind, PowerState


class LocalPowerTask(Task, Protocol):
    """The parts of a local task that :class:`LocalPower` uses."""

    def call(self, kind: Kind | str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call *method* of the interface of *kind*."""

    def bounded(self, seconds: float | None) -> AbstractContextManager[Deadline]:
        """Limit the deadline to *seconds* from now within a ``with`` block."""


class LocalPower:
    """The :class:`~baremetal_interfaces.task.PowerControl` of a local task. It confirms each command by reads.

    *interval* is the time between two reads in seconds. *wait* sleeps for it; it may return early.
    """

    def __init__(self, task: LocalPowerTask, wait: Callable[[float], object], interval: float) -> None:
        self._task = task
        self._wait = wait
        self._interval = interval

    def get(self) -> PowerState:
        """Read the power state from the BMC now."""
        return PowerState(self._task.call(Kind.POWER, "get_power_state"))

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state* and confirm it, within *timeout* seconds and before the task's deadline.

        Raises ``NotSupported`` for a state that the driver does not declare, before the driver is called. A reboot that the
        driver does not declare is done as power off, confirmed, and power on. Raises ``PowerStateFailure`` if the machine
        does not reach the state in time, and ``Cancelled`` if the task is cancelled.
        """
        state = PowerState(state)
        commands = self._commands(state)
        with self._task.bounded(timeout) as deadline:
            for command in commands:
                self._task.call(Kind.POWER, "set_power_state", command)
                self._confirm(command, deadline)

    def boot_once(self, device: BootDevice) -> None:
        """Make the next boot start from *device*, and confirm it if the BMC reports the boot device.

        Raises ``NotSupported`` for a device that the machine does not support, and ``UnexpectedAnswer`` if the BMC reports
        another device afterwards.
        """
        device = BootDevice(device)
        supported = self._task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
        if device not in supported:
            raise NotSupported(f"boot device {device} is not supported by this node; supported: {_join(supported)}")
        self._task.call(Kind.MANAGEMENT, "set_boot_device", device, persistent=False)
        found = self._task.call(Kind.MANAGEMENT, "get_boot_device").device
        if found is None:
            self._task.log.info("boot device %s was set and is not confirmed: the BMC does not report the boot device", device)
        elif found != device:
            raise UnexpectedAnswer(f"the boot device is not confirmed: it was set to {device}, and the BMC reports {found}")

    def _commands(self, state: PowerState) -> tuple[PowerState, ...]:
        """Return the power commands that lead to *state*, in order.

        Raises NotSupported for a state that the driver does not declare.
        """
        supported = self._task.driver.power.supported_states
        if state is PowerState.REBOOT and state not in supported:
            commands: tuple[PowerState, ...] = (PowerState.OFF, PowerState.ON)
        else:
            commands = (state,)
        if state is PowerState.UNKNOWN or not supported.issuperset(commands):
            raise NotSupported(f"power state {state.value!r} cannot be set on this node; supported: {_join(supported)}")
        return commands

    def _confirm(self, state: PowerState, deadline: Deadline) -> None:
        wanted = state.outcome.value
        seen = "nothing"
        while (seen := self._observe(deadline, seen)) != wanted:
            self._wait(min(self._interval, deadline.remaining()))
            if self._task.cancelled:
                raise Cancelled(f"the task was cancelled before {wanted!r} was confirmed; last seen: {seen}")
            if deadline.expired:
                raise PowerStateFailure(f"the machine did not reach {wanted!r} in time; last seen: {seen}")

    def _observe(self, deadline: Deadline, before: str) -> str:
        """Return the power state, or the reason why it cannot be read now.

        A BMC may be unreachable for a short time while it changes the power. A read that the deadline interrupted gives no
        information; *before*, the result of the previous read, is returned then.
        """
        try:
            return self.get().value
        except (BMCBusy, BMCUnreachable, DeadlineExceeded) as exc:
            return before if deadline.expired else str(exc)


def _join(values: Iterable[PowerState | BootDevice]) -> str:
    return ", ".join(sorted(value.value for value in values)) or "nothing"
