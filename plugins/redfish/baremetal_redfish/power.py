"""Power interface for Redfish: commands by the action ``ComputerSystem.Reset``, and reads of ``PowerState``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import sushy.exceptions
from sushy import ResetType
from sushy.resources.system.system import System

from baremetal_interfaces import Cancelled, Deadline, Kind, NotSupported, PowerInterface, PowerSampling, PowerState, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import describe_error, get_message_ids
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


_REFUSALS = {
    # After a power-off some services refuse or fail a power-on for a few seconds, while the host still turns off.
    PowerState.ON: frozenset({400, 409, 500, 503}),
    PowerState.OFF: frozenset({400, 409}),
    PowerState.SOFT_OFF: frozenset({400, 409}),
}
"""HTTP status codes after which the power state is read again."""

_PERMANENT_MESSAGES = (
    "ActionNotSupported",
    "ActionParameter",
    "LicenseKeyRequired",
    "InsufficientPrivilege",
    "MalformedJSON",
    "PropertyMissing",
    "PropertyValue",
)
"""Messages of the base registry (DSP8011) about requests that the service never accepts."""


@dataclass(frozen=True)
class PowerLimits:
    """Time limits of power commands, in seconds.

    A power-on that the BMC refuses is repeated for *power_on_retry_timeout*, each *power_on_retry_interval*.
    """

    power_on_retry_timeout: float = 20.0
    power_on_retry_interval: float = 2.0


class RedfishPower(PowerInterface, PowerSampling[RedfishSession]):
    """Reads and sets the power state of a system."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = PowerLimits
    options: PowerLimits
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
        shows that state, and a refused power-on is repeated for a while. Raises NotSupported if the system allows no reset for
        *state*.
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
                _send_reset(task, system, state, self.options)

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


def _send_reset(task: Task, system: System, state: PowerState, limits: PowerLimits) -> None:
    """Send the first reset for *state* that the system allows.

    A refused power-on of a machine that is off is repeated, because its power-off may not be complete.
    """
    chosen = _choose_reset(system, state)
    limit = task.deadline.within(limits.power_on_retry_timeout)
    while True:
        try:
            system.reset_system(chosen)
            return
        except sushy.exceptions.HTTPError as exc:
            if exc.status_code not in _REFUSALS.get(state, ()):
                raise
            system.refresh()
            if _parse_power_state(system.json) is state.outcome:
                return
            if state is not PowerState.ON or _is_permanent(exc) or limit.expired:
                raise
            task.log.info("the BMC refuses to power on; trying again: %s", describe_error(exc))
        if task.cancelled:
            raise Cancelled("the task was cancelled while the BMC refused to power on")
        time.sleep(min(limits.power_on_retry_interval, limit.remaining()))


def _choose_reset(system: System, state: PowerState) -> ResetType:
    allowed = system.get_allowed_reset_system_values()
    chosen = next((reset for reset in _RESETS[state] if reset in allowed), None)
    if chosen is None:
        wanted = " or ".join(reset.value for reset in _RESETS[state])
        known = ", ".join(sorted(reset.value for reset in allowed)) or "nothing"
        raise NotSupported(f"{state}: the system {system.path} does not allow {wanted}; it allows {known}")
    return chosen


def _is_permanent(exc: sushy.exceptions.HTTPError) -> bool:
    """Return whether the service names a reason that does not pass by itself."""
    return any(name in identifier for identifier in get_message_ids(exc) for name in _PERMANENT_MESSAGES)
