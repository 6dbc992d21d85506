"""Adapter for the power interface."""

from __future__ import annotations

from typing import Any

from ironic.common import states
from ironic.conf import CONF
from ironic.drivers import base

from baremetal_interfaces import PowerState
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.faults import translate_errors


class PowerAdapter(Adapter, base.PowerInterface):
    """Offers a plugin's power interface to Ironic. A change is complete when a read confirms it, as Ironic requires."""

    def get_power_state(self, task: Any) -> str:
        """Return the power state. A state that is neither on nor off is an error to Ironic."""
        found: PowerState = self.call(task, "get_power_state")
        return str(states.ERROR) if found is PowerState.UNKNOWN else found.value

    def set_power_state(self, task: Any, power_state: str, timeout: int | None = None) -> None:
        """Set the power state, and wait until a read confirms it."""
        bridged = self.task(task, float(timeout or CONF.conductor.power_state_change_timeout))
        with translate_errors():
            try:
                bridged.power.set(PowerState(power_state))
            finally:
                bridged.store_states()

    def reboot(self, task: Any, timeout: int | None = None) -> None:
        """Restart the machine, or power it on if it is off."""
        self.set_power_state(task, PowerState.REBOOT.value, timeout)

    def get_supported_power_states(self, task: Any) -> list[str]:
        """Return the states that the plugin declares, and reboot, which is off and on if the plugin does not declare it."""
        declared: frozenset[PowerState] = self._interface.supported_states  # type: ignore[attr-defined]
        return sorted(state.value for state in declared | {PowerState.REBOOT})
