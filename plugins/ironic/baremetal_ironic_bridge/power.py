"""A power interface of the contract as one of Ironic's."""

from __future__ import annotations

from typing import Any

from ironic.common import states
from ironic.conf import CONF
from ironic.drivers import base

from baremetal_interfaces import PowerState
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.faults import as_ironic


class PowerAdapter(Adapter, base.PowerInterface):
    """Commands are confirmed by reads before they are said to be done, as Ironic expects of its drivers."""

    def get_power_state(self, task: Any) -> str:
        """Ask the BMC; what is neither on nor off is an error to Ironic."""
        found: PowerState = self.call(task, "get_power_state")
        return str(states.ERROR) if found is PowerState.UNKNOWN else found.value

    def set_power_state(self, task: Any, power_state: str, timeout: int | None = None) -> None:
        """Bring the machine to that state, and see that it is there."""
        bridged = self.task(task, float(timeout or CONF.conductor.power_state_change_timeout))
        with as_ironic():
            try:
                bridged.power.set(PowerState(power_state))
            finally:
                bridged.keep()

    def reboot(self, task: Any, timeout: int | None = None) -> None:
        """Restart the machine, or switch it on."""
        self.set_power_state(task, PowerState.REBOOT.value, timeout)

    def get_supported_power_states(self, task: Any) -> list[str]:
        """What the driver declares, and a reboot, which is done as off and on where it is not declared."""
        declared: frozenset[PowerState] = self._interface.supported_states  # type: ignore[attr-defined]
        return sorted(state.value for state in declared | {PowerState.REBOOT})
