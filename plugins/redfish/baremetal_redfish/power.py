"""Power by ``ComputerSystem.Reset``."""

from __future__ import annotations

from typing import Any, ClassVar

import sushy.exceptions
from sushy import ResetType
from sushy.resources.system.system import System

from baremetal_interfaces import Deadline, Kind, NotSupported, PowerInterface, PowerSampling, PowerState, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.machine import borrowed, offering, system_of
from baremetal_redfish.session import RedfishSession

_RESETS: dict[PowerState, tuple[ResetType, ...]] = {
    PowerState.ON: (ResetType.ON, ResetType.FORCE_ON),
    PowerState.OFF: (ResetType.FORCE_OFF,),
    PowerState.REBOOT: (ResetType.FORCE_RESTART, ResetType.POWER_CYCLE),
    # Pressing the button asks the operating system to shut down.
    PowerState.SOFT_OFF: (ResetType.GRACEFUL_SHUTDOWN, ResetType.PUSH_POWER_BUTTON),
    PowerState.SOFT_REBOOT: (ResetType.GRACEFUL_RESTART,),
}
"""What is sent for a state: the first one that the system allows."""

_OBSERVED = {
    "On": PowerState.ON,
    "Paused": PowerState.ON,  # Powered, with its processors stopped.
    "Off": PowerState.OFF,
}
"""``PoweringOn`` and ``PoweringOff`` are neither: the state is known when the machine is there."""


class RedfishPower(PowerInterface, PowerSampling[RedfishSession]):
    """Switches and observes a system."""

    info_type = RedfishInfo
    connector = RedfishConnector
    supported_states = frozenset(_RESETS)

    sample_seconds: ClassVar[float] = 15.0
    """What one lean read may take."""

    def get_power_state(self, task: Task) -> PowerState:
        """Ask for the system's power state."""
        path = task.info(Kind.POWER).system_path
        with borrowed(task) as session:
            return _observed(session.document(path))

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the reset for *state*. A machine that is off is switched on by a reboot, too.

        A conflict is no error where the machine is in the state that was asked for.
        """
        with system_of(task, Kind.POWER) as system:
            current = _observed(system.json)
            if current is state.outcome and state in (PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF):
                return
            if current is PowerState.OFF and state in (PowerState.REBOOT, PowerState.SOFT_REBOOT):
                state = PowerState.ON
            with offering("reset"):
                _reset(system, state)

    def sample_power(self, session: RedfishSession, target: Any, deadline: Deadline) -> PowerState | None:
        """Read the state with one request, without sushy's model of the system."""
        path = session.known_path(target)
        if path is None:
            return None
        return _observed(session.lean_document(path, deadline.within(self.sample_seconds)))

    def sample_target(self, info: Any) -> Any:
        """The path of the system, or None where it is the only one."""
        return info.system_path


def _observed(document: dict[str, Any]) -> PowerState:
    return _OBSERVED.get(str(document.get("PowerState")), PowerState.UNKNOWN)


def _reset(system: System, state: PowerState) -> None:
    """Send the first reset for *state* that is allowed."""
    allowed = system.get_allowed_reset_system_values()
    chosen = next((reset for reset in _RESETS[state] if reset in allowed), None)
    if chosen is None:
        wanted = " or ".join(reset.value for reset in _RESETS[state])
        there = ", ".join(sorted(reset.value for reset in allowed)) or "nothing"
        raise NotSupported(f"{state}: the system {system.path} does not allow {wanted}; it allows {there}")
    try:
        system.reset_system(chosen)
    except sushy.exceptions.HTTPError as exc:
        if exc.status_code not in (400, 409) or state not in (PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF):
            raise
        system.refresh()
        if _observed(system.json) is not state.outcome:
            raise
