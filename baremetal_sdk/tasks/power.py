"""Power control of a task. A power change succeeds only after a read that shows the new state of the machine."""

from __future__ import annotations

from typing import Any, Protocol

from baremetal_interfaces import (
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    BootDevice,
    BootDeviceSetting,
    Cancelled,
    Conflict,
    Deadline,
    Driver,
    Kind,
    NotSupported,
    PowerInterface,
    PowerState,
    PowerStateFailure,
    Problem,
    UnexpectedAnswer,
)
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.store.records.node import Lease, NodeRecord
from baremetal_sdk.tasks import agent_info

_FIRST_PAUSE_S = 0.05
"""Seconds between the first two reads of a machine that changes its power. Each further pause is 1.5 times as long."""
_MAX_PAUSE_S = 2.0
"""The longest pause between two reads, in seconds."""
_TRANSIENT_ERRORS = (BMCBusy, BMCUnreachable)
"""Errors of a power read after which the confirmation reads again. Some BMCs do not answer while their machine starts."""
COMMAND = "command"
"""Value of ``power_source`` for an observation that confirmed a power command."""
SETTABLE = (PowerState.ON, PowerState.OFF, PowerState.REBOOT, PowerState.SOFT_OFF, PowerState.SOFT_REBOOT)
"""The power states that a client may request."""
_OFF_BEFORE = {PowerState.REBOOT: PowerState.OFF, PowerState.SOFT_REBOOT: PowerState.SOFT_OFF}
"""State that requests a reboot -> state that requests the power-off of the same kind, hard or soft."""


class PowerActionGate:
    """Blocks the power actions of a conductor while a room or its power supply is in maintenance."""

    def __init__(self) -> None:
        self._reason: str | None = None

    @property
    def held(self) -> str | None:
        """The reason for which power actions are blocked, or None if they are allowed."""
        return self._reason

    def hold(self, reason: str) -> None:
        """Block each power action from now on. The error shows *reason*. Commands that were already sent take effect."""
        self._reason = reason

    def release(self) -> None:
        """Allow power actions again."""
        self._reason = None

    def check(self) -> None:
        """Raise ``Conflict``, with the reason, while power actions are blocked."""
        if self._reason is not None:
            raise Conflict(f"power actions of this conductor are held back: {self._reason}; try again after their release")


class PowerTask(Protocol):
    """Protocol of the parts of a task that :class:`TaskPower` uses."""

    @property
    def record(self) -> NodeRecord:
        """The node's record."""

    @property
    def lease(self) -> Lease | None:
        """The node's lease, or None for a task that only reads."""

    @property
    def driver(self) -> Driver:
        """The interface implementations that the node's record selects."""

    @property
    def clock(self) -> Clock:
        """The conductor's clock."""

    @property
    def options(self) -> ConductorOptions:
        """The conductor's options."""

    @property
    def power_gate(self) -> PowerActionGate:
        """The conductor's gate for power actions."""

    def call(self, kind: Kind | str, method: str, /, *args: Any) -> Any:
        """Call *method* of the node's interface of *kind*, and return its result."""

    def write(self, **changes: Any) -> NodeRecord:
        """Change the node under the task's lease."""

    def wait(self, seconds: float) -> bool:
        """Wait for *seconds* or until the task is cancelled. Return whether it was cancelled."""

    def deadline_within(self, seconds: float) -> Deadline:
        """Return the deadline *seconds* from now, or the task's deadline if that is earlier."""


def supported_states(interface: PowerInterface) -> frozenset[PowerState]:
    """Return the power states that can be requested from *interface*.

    These are the states that it declares, and reboots that can be composed of its power-off and power-on.
    """
    declared = interface.supported_states
    return declared | {reboot for reboot, off in _OFF_BEFORE.items() if off in declared and PowerState.ON in declared}


def refuse_unsupported(interface: PowerInterface, state: PowerState) -> None:
    """Raise ``NotSupported`` if *state* cannot be requested from *interface*. The error lists the supported power states."""
    supported = supported_states(interface)
    if state not in supported:
        names = ", ".join(repr(str(settable)) for settable in SETTABLE if settable in supported)
        raise NotSupported(f"target: {str(state)!r} is not supported by the power interface of this node; it supports {names}")


class TaskPower:
    """Power control of one task's machine. Drivers use it as the contract's ``PowerControl``, ``task.power``."""

    def __init__(self, task: PowerTask) -> None:
        self._task = task

    def get(self) -> PowerState:
        """Read and return the power state of the machine. Write it to the node if it differs and the task has a lease."""
        state = self._read()
        self._store(state)
        return state

    def read_with_changes(self) -> tuple[PowerState, dict[str, Any]]:
        """Read the power state of the machine without a write.

        Return the state, and the changes of the node's record that store it, for callers that write them with other changes.
        """
        state = self._read()
        return state, self._observation_changes(state, "task")

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state* and confirm it within *timeout* seconds (by default those of the options).

        *state* may be text. Do nothing if the machine is already on or off as requested. Raises ``PowerStateFailure`` if the
        machine does not reach the state, and ``NotSupported`` if the driver does not support it. Raises ``Conflict`` while the
        gate blocks power actions, and ``Cancelled`` if the task is cancelled.
        """
        state = PowerState(state)
        self._task.power_gate.check()
        interface = self._task.driver.power
        refuse_unsupported(interface, state)
        if state in _OFF_BEFORE and self._can_reboot_in_two_steps(interface, _OFF_BEFORE[state]):
            # Each of the two is confirmed by itself, and a failure of the first leaves the second undone.
            self.set(_OFF_BEFORE[state], timeout)
            self.set(PowerState.ON, timeout)
            return
        before = self._read()
        # Before the return below: an agent does not survive a machine that is off, no matter who switched it off.
        if state is not PowerState.ON or before is PowerState.OFF:
            self._forget_agent()
        # Not for reboots: their outcome is "on", too, but a reboot is not done because the machine is on.
        if state not in _OFF_BEFORE and before is state.outcome:
            self._store(before)
            return
        try:
            self._task.call(Kind.POWER, "set_power_state", state)
        except Conflict:
            # The BMC says that the machine is already in that state. A read decides whether that is true.
            if self._read() is not state.outcome:
                raise
        self._confirm(state, before, timeout or self._default_timeout(state))

    def boot_once(self, device: BootDevice) -> None:
        """Make the machine boot from *device* once, at its next boot, and read the setting to confirm it.

        Raises ``NotSupported`` for a device that the BMC does not offer, and ``UnexpectedAnswer`` if the BMC reports another one.
        """
        supported = self._task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
        if device not in supported:
            names = ", ".join(sorted(map(str, supported))) or "none"
            raise NotSupported(f"the management interface of this node cannot boot from {str(device)!r}; it supports {names}")
        self._task.call(Kind.MANAGEMENT, "set_boot_device", device, False)
        setting: BootDeviceSetting = self._task.call(Kind.MANAGEMENT, "get_boot_device")
        # Some BMCs do not report the setting. That is no contradiction.
        if setting.device is not None and setting.device is not device:
            raise UnexpectedAnswer(f"boot device was set to {device}, but the BMC reports {setting.device}; set it again")

    def _forget_agent(self) -> None:
        """Remove the agent's data from the node. Its ramdisk ends with the power-off, and the next agent gets a new token."""
        changes = agent_info.removal_changes(self._task.record)
        if changes and self._task.lease is not None:
            self._task.write(**changes)

    def _can_reboot_in_two_steps(self, interface: PowerInterface, off: PowerState) -> bool:
        """Return whether a reboot can be composed of power-off and power-on, each of which a read can confirm.

        A reset by the BMC cannot be confirmed: the machine is on before, on after, and on if the command was lost. So the
        reset is used only for machines that must not be powered off, and where the driver has no power-off.
        """
        return off in interface.supported_states and not self._task.record.disable_power_off

    def _default_timeout(self, state: PowerState) -> float:
        options = self._task.options
        is_soft = state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT)
        return options.soft_power_off_timeout if is_soft else options.power_state_change_timeout

    def _confirm(self, state: PowerState, before: PowerState, timeout: float) -> None:
        """Read the power until it is the outcome of *state*, and store it.

        Raises ``PowerStateFailure`` after *timeout* seconds, with a likely cause derived from *before*, the power state before
        the command. Raises ``Cancelled`` if the task is cancelled.
        """
        deadline = self._task.deadline_within(timeout)
        pause = _FIRST_PAUSE_S
        seen: PowerState | BareMetalError | None = None
        has_changed = False
        while True:
            try:
                seen = self._read()
            except _TRANSIENT_ERRORS as exc:
                # A read that the deadline has cut off says nothing about the machine, so the last state seen counts.
                if not (deadline.expired and isinstance(seen, PowerState)):
                    seen = exc
            if seen is state.outcome:
                self._store(seen, COMMAND)
                return
            has_changed = has_changed or seen is not before
            # Checked after the read and not in the loop's condition: there is always a read after the last pause.
            if deadline.expired:
                break
            if self._task.wait(min(pause, deadline.remaining())):
                raise Cancelled(f"the task was cancelled while it waited for power state {str(state)!r}; request it again")
            pause = min(pause * 1.5, _MAX_PAUSE_S)
        self._store(seen if isinstance(seen, PowerState) else PowerState.UNKNOWN)
        guess = _guess_cause(before, seen, has_changed)
        report = f"the BMC reports {str(seen)!r}" if isinstance(seen, PowerState) else f"the last read failed: {seen}"
        raise PowerStateFailure(f"the node did not reach {str(state)!r} within {timeout:g} s; {report} ({guess})")

    def _read(self) -> PowerState:
        seen = self._task.call(Kind.POWER, "get_power_state")
        if not isinstance(seen, PowerState):
            raise UnexpectedAnswer(str(Problem("power_state", f"the driver answered {seen!r}", "it has to be a PowerState")))
        return seen

    def _store(self, state: PowerState, source: str = "task") -> None:
        """Write the observed power state to the node if it differs from the stored one and the task has a lease."""
        changes = self._observation_changes(state, source)
        if changes and self._task.lease is not None:
            self._task.write(**changes)

    def _observation_changes(self, state: PowerState, source: str) -> dict[str, Any]:
        """Return the changes of the node's record that store the observed power *state*. Empty if it is stored already.

        The confirmation of a command is always stored, so that the node shows when this command took effect.
        """
        power_state = None if state is PowerState.UNKNOWN else str(state)
        record = self._task.record
        is_news = record.power_state != power_state or record.power_observed_at is None or source == COMMAND
        if not is_news:
            return {}
        return {"power_state": power_state, "power_observed_at": self._task.clock.now(), "power_source": source}


def _guess_cause(before: PowerState, seen: object, has_changed: bool) -> str:
    """Return a text with the likely cause of a power change that was not confirmed in time, for the error message."""
    if not isinstance(seen, PowerState):
        return "the effect of the command could not be read"
    if not has_changed:
        return "the command was lost: the state never changed"
    return "the machine changed its state and returned to the previous one" if seen is before else "it is still changing"
