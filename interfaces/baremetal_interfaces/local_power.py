"""Power and boot device of one machine, said to be done only after a read that confirms it."""

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
    """The :class:`~baremetal_interfaces.task.PowerControl` of a local task: it sends the driver's command and then reads.

    *wait* spends the *interval*, in seconds, between two reads; it may return early.
    """

    def __init__(self, task: LocalPowerTask, wait: Callable[[float], object], interval: float) -> None:
        self._task = task
        self._wait = wait
        self._interval = interval

    def get(self) -> PowerState:
        """Observe the power state now."""
        return PowerState(self._task.call(Kind.POWER, "get_power_state"))

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state* and confirm it, within *timeout* seconds and the time of the task.

        A state that the driver does not declare is refused with ``NotSupported`` before the driver is called, but a
        reboot that it does not declare is done as off, confirmed, and on.
        """
        state = PowerState(state)
        commands = self._commands(state)
        with self._task.bounded(timeout) as deadline:
            for command in commands:
                self._task.call(Kind.POWER, "set_power_state", command)
                self._confirm(command, deadline)

    def boot_once(self, device: BootDevice) -> None:
        """Make the next boot start from *device* and read it back, where the BMC tells it."""
        device = BootDevice(device)
        supported = self._task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
        if device not in supported:
            raise NotSupported(f"this node cannot be told to boot from {device}; supported: {_listed(supported)}")
        self._task.call(Kind.MANAGEMENT, "set_boot_device", device, persistent=False)
        found = self._task.call(Kind.MANAGEMENT, "get_boot_device").device
        if found is None:
            self._task.log.info("the BMC does not say what the machine boots from: %s is not confirmed", device)
        elif found != device:
            raise UnexpectedAnswer(f"the BMC was told to boot from {device}, and now says {found}")

    def _commands(self, state: PowerState) -> tuple[PowerState, ...]:
        """What to send to the driver, in order."""
        supported = self._task.driver.power.supported_states
        if state is PowerState.REBOOT and state not in supported:
            commands: tuple[PowerState, ...] = (PowerState.OFF, PowerState.ON)
        else:
            commands = (state,)
        if state is PowerState.UNKNOWN or not supported.issuperset(commands):
            raise NotSupported(f"this node's power cannot be set to {state.value!r}; supported: {_listed(supported)}")
        return commands

    def _confirm(self, state: PowerState, deadline: Deadline) -> None:
        wanted = state.outcome.value
        seen = "nothing"
        while (seen := self._observe(deadline, seen)) != wanted:
            self._wait(min(self._interval, deadline.remaining()))
            if self._task.cancelled:
                raise Cancelled(f"told to stop before {wanted!r} was confirmed; last seen: {seen}")
            if deadline.expired:
                raise PowerStateFailure(f"the machine did not reach {wanted!r} in time; last seen: {seen}")

    def _observe(self, deadline: Deadline, before: str) -> str:
        """The state, or why it cannot be seen now: a BMC may be away for a moment while it changes the power.

        A look that the end of the time has cut off says nothing: what was seen *before* it counts.
        """
        try:
            return self.get().value
        except (BMCBusy, BMCUnreachable, DeadlineExceeded) as exc:
            return before if deadline.expired else str(exc)


def _listed(values: Iterable[PowerState | BootDevice]) -> str:
    return ", ".join(sorted(value.value for value in values)) or "nothing"
