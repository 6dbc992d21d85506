"""Power interface for Redfish: commands by the action ``ComputerSystem.Reset``, and reads of ``PowerState``."""

from __future__ import annotations

from typing import Any, ClassVar

import sushy.exceptions
from sushy import ResetType
from sushy.resources.system.system import System

from baremetal_interfaces import Deadline, Kind, NotSupported, PowerInterface, PowerSampling, PowerState, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.machine import borrow_session, borrow_system, translate_missing
from baremetal_redfish.management import RedfishManagement
from baremetal_redfish.session import RedfishSession

_RESETS: dict[PowerState, tuple[ResetType, ...]] = {
    PowerState.ON: (ResetType.ON, ResetType.FORCE_ON),
    PowerState.OFF: (ResetType.FORCE_OFF,),
    PowerState.REBOOT: (ResetType.FORCE_RESTART, ResetType.POWER_CYCLE),
    # A push of the power button asks the operating system to shut down.
    PowerState.SOFT_OFF: (ResetType.GRACEFUL_SHUTDOWN, ResetType.PUSH_POWER_BUTTON),
    PowerState.SOFT_REBOOT: (ResetType.GRACEFUL_RESTART,),
}
"""Power state -> Redfish's reset types for it. The first one that the system allows is sent."""

_POWER_STATES = {
    "On": PowerState.ON,
    "Paused": PowerState.ON,  # The system has power, but its processors do not run.
    "Off": PowerState.OFF,
}
"""Power states by Redfish's names. ``PoweringOn`` and ``PoweringOff`` are missing: until the change is complete, the
power state is unknown.
"""


class RedfishPower(PowerInterface, PowerSampling[RedfishSession]):
    """Reads and sets the power state of a system."""

    info_type = RedfishInfo
    connector = RedfishConnector
    supported_states = frozenset(_RESETS)

    sample_timeout_s: ClassVar[float] = 15.0
    """Time limit of one read by power sync, in seconds."""

    def get_power_state(self, task: Task) -> PowerState:
        """Read the system's power state; ``UNKNOWN`` while it changes."""
        path = task.info(Kind.POWER).system_path
        with borrow_session(task) as session:
            return _parse_power_state(session.read_document(path))

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the reset for *state*. A reboot powers on a machine that is off.

        Nothing is sent if the machine already is on or off as requested. A refusal of on or off is not an error if a second read
        shows that state. Raises NotSupported if the system allows no reset for *state*.
        """
        with borrow_system(task, Kind.POWER) as system:
            current = _parse_power_state(system.json)
            if current is state.outcome and state in (PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF):
                return
            if current is PowerState.OFF and state in (PowerState.REBOOT, PowerState.SOFT_REBOOT):
                state = PowerState.ON
            if state.outcome is PowerState.ON:
                _renew_boot_device(task)
            with translate_missing("reset"):
                _send_reset(system, state)

    def sample_power(self, session: RedfishSession, target: Any, deadline: Deadline) -> PowerState | None:
        """Read the power state of the system at the path *target* with one request.

        Return None if *target* is None and the path of the BMC's only system is not known yet.
        """
        path = session.get_known_path(target)
        if path is None:
            return None
        return _parse_power_state(session.read_system_once(path, deadline.within(self.sample_timeout_s)))

    def sample_target(self, info: Any) -> Any:
        """Return the path of the system in *info*, or None for the BMC's only system."""
        return info.system_path


def _parse_power_state(document: dict[str, Any]) -> PowerState:
    return _POWER_STATES.get(str(document.get("PowerState")), PowerState.UNKNOWN)


def _renew_boot_device(task: Task) -> None:
    """Set a boot device again that the BMC keeps for one boot only."""
    management = dict(task.driver).get(Kind.MANAGEMENT)
    if isinstance(management, RedfishManagement):
        management.renew_boot_device(task)


def _send_reset(system: System, state: PowerState) -> None:
    """Send the first reset for *state* that the system allows."""
    allowed = system.get_allowed_reset_system_values()
    chosen = next((reset for reset in _RESETS[state] if reset in allowed), None)
    if chosen is None:
        wanted = " or ".join(reset.value for reset in _RESETS[state])
        known = ", ".join(sorted(reset.value for reset in allowed)) or "nothing"
        raise NotSupported(f"{state}: the system {system.path} does not allow {wanted}; it allows {known}")
    try:
        system.reset_system(chosen)
    except sushy.exceptions.HTTPError as exc:
        if exc.status_code not in (400, 409) or state not in (PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF):
            raise
        system.refresh()
        if _parse_power_state(system.json) is not state.outcome:
            raise
