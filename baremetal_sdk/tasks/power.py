"""Power that tells the truth: success is said only after a read that confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baremetal_interfaces import (
    BMCBusy,
    BMCUnreachable,
    BootDevice,
    BootDeviceSetting,
    Cancelled,
    Conflict,
    Kind,
    NotSupported,
    PowerInterface,
    PowerState,
    PowerStateFailure,
    Problem,
    UnexpectedAnswer,
)
from baremetal_sdk.tasks import agent_info

if TYPE_CHECKING:
    from baremetal_sdk.tasks.node_task import NodeTask

_FIRST_LOOK, _LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two looks at a machine that is changing: at first, and at most."""
_PASSING = (BMCBusy, BMCUnreachable)
"""Errors of a look that may be gone at the next one: some BMCs are away while their machine starts."""
COMMAND = "command"
"""The source of an observation that confirmed a command."""
SETTABLE = (PowerState.ON, PowerState.OFF, PowerState.REBOOT, PowerState.SOFT_OFF, PowerState.SOFT_REBOOT)


class PowerActionGate:
    """Whether the power actions of a conductor are carried out: for maintenance of a room, or of its power."""

    def __init__(self) -> None:
        self._reason: str | None = None

    @property
    def held(self) -> str | None:
        """Why power actions are held back; None when they are not."""
        return self._reason

    def hold(self, reason: str) -> None:
        """Refuse every power action from now on, with *reason*. What has been sent is not taken back."""
        self._reason = reason

    def release(self) -> None:
        """Carry power actions out again."""
        self._reason = None

    def check(self) -> None:
        """Raise ``Conflict`` while power actions are held back."""
        if self._reason is not None:
            raise Conflict(f"power actions of this conductor are held back: {self._reason}")


_OFF_BEFORE = {PowerState.REBOOT: PowerState.OFF, PowerState.SOFT_REBOOT: PowerState.SOFT_OFF}


def supported_states(interface: PowerInterface) -> frozenset[PowerState]:
    """What can be asked for: what the driver declares, and the reboots that its ways to switch off and on make."""
    declared = interface.supported_states
    return declared | {reboot for reboot, off in _OFF_BEFORE.items() if off in declared and PowerState.ON in declared}


def refuse_unsupported(interface: PowerInterface, state: PowerState) -> None:
    """Raise ``NotSupported``, which names what is, unless *state* can be asked for."""
    supported = supported_states(interface)
    if state not in supported:
        names = ", ".join(repr(str(one)) for one in SETTABLE if one in supported)
        raise NotSupported(f"target: {str(state)!r} is not supported by the power interface of this node; it supports {names}")


class TaskPower:
    """The ``task.power`` of a task."""

    def __init__(self, task: NodeTask) -> None:
        self._task = task

    def get(self) -> PowerState:
        """Observe the power state and store what is seen."""
        state = self._read()
        self._store(state)
        return state

    def read_with_changes(self) -> tuple[PowerState, dict[str, Any]]:
        """Observe the power state; the caller writes the changes of the node that come with it, together with others."""
        state = self._read()
        return state, self._news(state)

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state*, which may be given as text, and confirm it."""
        state = PowerState(state)
        self._task.power_gate.check()
        interface = self._task.driver.power
        refuse_unsupported(interface, state)
        if state in _OFF_BEFORE and self._can_be_confirmed(interface, _OFF_BEFORE[state]):
            self.set(_OFF_BEFORE[state], timeout)
            self.set(PowerState.ON, timeout)
            return
        before = self._read()
        if state is state.outcome and before is state:
            self._store(state)
            return
        if state is not PowerState.ON:
            self._forget_agent()
        try:
            self._task.call(Kind.POWER, "set_power_state", state)
        except Conflict:
            # "Already there", says the BMC: it is believed when it is seen.
            if self._read() is not state.outcome:
                raise
        self._confirm(state, before, timeout or self._default_timeout(state))

    def _forget_agent(self) -> None:
        """What runs on the machine ends now, an agent as well; the next one is a new one."""
        forgotten = agent_info.removal_changes(self._task.record)
        if forgotten and self._task.lease is not None:
            self._task.write(**forgotten)

    def _can_be_confirmed(self, interface: PowerInterface, off: PowerState) -> bool:
        """Whether a reboot is made of two steps that can each be seen. A BMC's own reset cannot: before and after, and where
        the command was lost, it says "on". It is left for machines that must not be switched off."""
        return off in interface.supported_states and not self._task.record.disable_power_off

    def boot_once(self, device: BootDevice) -> None:
        """Make the next boot start from *device* and confirm it."""
        supported = self._task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
        if device not in supported:
            names = ", ".join(sorted(map(str, supported))) or "none"
            raise NotSupported(f"the management interface of this node cannot boot from {str(device)!r}; it supports {names}")
        self._task.call(Kind.MANAGEMENT, "set_boot_device", device, False)
        seen: BootDeviceSetting = self._task.call(Kind.MANAGEMENT, "get_boot_device")
        if seen.device is not None and seen.device is not device:
            raise UnexpectedAnswer(f"the BMC was told to boot from {device} and says that it will boot from {seen.device}")

    def _default_timeout(self, state: PowerState) -> float:
        options = self._task.options
        soft = state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT)
        return options.soft_power_off_timeout if soft else options.power_state_change_timeout

    def _confirm(self, state: PowerState, before: PowerState, timeout: float) -> None:
        # The task's own deadline counts as well.
        limit = self._task.limited(timeout)
        pause = _FIRST_LOOK
        seen: Any = None
        moved = False
        while True:
            try:
                seen = self._read()
            except _PASSING as exc:
                # A look that the end of the time has cut off says nothing: what was seen before it counts.
                seen = seen if limit.expired and isinstance(seen, PowerState) else exc
            if seen is state.outcome:
                self._store(seen, COMMAND)
                return
            moved = moved or seen is not before
            if limit.expired:
                break
            if self._task.wait(min(pause, limit.remaining())):
                raise Cancelled(f"waiting for {str(state)!r} was stopped")
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        self._store(seen if isinstance(seen, PowerState) else PowerState.UNKNOWN)
        guess = _what_it_looks_like(before, seen, moved)
        raise PowerStateFailure(f"{str(state)!r} was asked for {timeout:g} s ago, and the BMC still says: {seen} ({guess})")

    def _read(self) -> PowerState:
        seen = self._task.call(Kind.POWER, "get_power_state")
        if not isinstance(seen, PowerState):
            raise UnexpectedAnswer(str(Problem("power_state", f"the driver answered {seen!r}", "it has to be a PowerState")))
        return seen

    def _store(self, state: PowerState, source: str = "task") -> None:
        """Write what was seen, when it is news and the task may write."""
        news = self._news(state, source)
        if news and self._task.lease is not None:
            self._task.write(**news)

    def _news(self, state: PowerState, source: str = "task") -> dict[str, Any]:
        """What is to be written of what was seen. That a command was confirmed is always news."""
        known = None if state is PowerState.UNKNOWN else str(state)
        record = self._task.record
        news = record.power_state != known or record.power_observed_at is None or source == COMMAND
        return {"power_state": known, "power_observed_at": self._task.clock.now(), "power_source": source} if news else {}


def _what_it_looks_like(before: PowerState, seen: Any, moved: bool) -> str:
    """A command that was lost, one that did not last, one that takes longer: each calls for something else."""
    if not isinstance(seen, PowerState):
        return "it could not be seen what became of the command"
    if not moved:
        return "the command was lost: nothing has changed since"
    return "it did not last: the machine left that state and came back to it" if seen is before else "it is still changing"
