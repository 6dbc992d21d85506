"""Power interface for IPMI: power commands and reads of the power state by chassis commands."""

from __future__ import annotations

from baremetal_interfaces import Deadline, PowerInterface, PowerSampling, PowerState, Task
from baremetal_ipmi import chassis
from baremetal_ipmi.chassis import Control
from baremetal_ipmi.connector import IPMIConnector, borrow_controller
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.session import IPMISession

SAMPLE_TIMEOUT_S = 10.0
"""Time limit of one read by power sync, in seconds."""


class IPMIPower(PowerInterface, PowerSampling[IPMISession]):
    """Power by chassis commands. ``ipmitool`` is a second name of the interface, for clients of Ironic."""

    info_type = IPMIInfo
    connector = IPMIConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF, PowerState.REBOOT, PowerState.SOFT_OFF})

    def get_power_state(self, task: Task) -> PowerState:
        """Read the power state, on or off, from the chassis status."""
        with borrow_controller(task, self.kind) as session:
            return chassis.get_power_state(session, task.deadline)

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Read the power state, and send the chassis command that leads to *state*.

        Nothing is sent if the machine already has that state. A reboot powers on a machine that is off.
        """
        with borrow_controller(task, self.kind) as session:
            action = _choose_command(state, chassis.get_power_state(session, task.deadline))
            if action is not None:
                chassis.send_control(session, action, task.deadline)

    def sample_power(self, session: IPMISession, target: IPMIInfo, deadline: Deadline) -> PowerState | None:
        """Read the power state of the controller of *target* with one Get Chassis Status command over *session*."""
        return chassis.get_power_state(session.get_for_route(target.build_route()), deadline.within(SAMPLE_TIMEOUT_S))


def _choose_command(wanted: PowerState, found: PowerState) -> Control | None:
    """Return the command that leads from *found* to *wanted*, or None: many BMCs refuse a command without an effect."""
    running = found is PowerState.ON
    if wanted is PowerState.REBOOT:
        return Control.HARD_RESET if running else Control.POWER_UP
    if wanted is PowerState.ON:
        return None if running else Control.POWER_UP
    if not running:
        return None
    return Control.SOFT_SHUTDOWN if wanted is PowerState.SOFT_OFF else Control.POWER_DOWN
