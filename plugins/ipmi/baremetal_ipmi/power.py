"""Power of IPMI machines."""

from __future__ import annotations

from baremetal_interfaces import Deadline, PowerInterface, PowerSampling, PowerState, Task
from baremetal_ipmi import chassis
from baremetal_ipmi.chassis import Control
from baremetal_ipmi.connector import IPMIConnector, asked
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.session import IPMISession

SAMPLE_SECONDS = 10.0
"""What one read of power sync may take."""


class IPMIPower(PowerInterface, PowerSampling[IPMISession]):
    """Power by chassis commands. ``ipmitool`` is another name of it, for nodes and clients that ask for that one."""

    info_type = IPMIInfo
    connector = IPMIConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF, PowerState.REBOOT, PowerState.SOFT_OFF})

    def get_power_state(self, task: Task) -> PowerState:
        """Ask for the chassis status."""
        with asked(task, self.kind) as session:
            return chassis.power_state(session, task.deadline)

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the chassis command, unless the machine is there already."""
        with asked(task, self.kind) as session:
            action = _action(state, chassis.power_state(session, task.deadline))
            if action is not None:
                chassis.control(session, action, task.deadline)

    def sample_power(self, session: IPMISession, target: IPMIInfo, deadline: Deadline) -> PowerState | None:
        """Ask for the chassis status over a kept session."""
        return chassis.power_state(session.towards(target.route()), deadline.within(SAMPLE_SECONDS))


def _action(wanted: PowerState, found: PowerState) -> Control | None:
    """The command that leads from *found* to *wanted*: many BMCs refuse one that changes nothing."""
    running = found is PowerState.ON
    if wanted is PowerState.REBOOT:
        return Control.HARD_RESET if running else Control.POWER_UP
    if wanted is PowerState.ON:
        return None if running else Control.POWER_UP
    if not running:
        return None
    return Control.SOFT_SHUTDOWN if wanted is PowerState.SOFT_OFF else Control.POWER_DOWN
