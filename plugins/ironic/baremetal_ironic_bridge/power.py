"""Adapter that offers a plugin's power interface to Ironic."""

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
        """Return the power state in Ironic's form: ``power on``, ``power off``, or ``error`` for an unknown state."""
        found: PowerState = self.call(task, "get_power_state")
        return str(states.ERROR) if found is PowerState.UNKNOWN else found.value

    def set_power_state(self, task: Any, power_state: str, timeout: int | None = None) -> None:
        """Set the power state, and wait up to *timeout* seconds until a read confirms it.

        The default is ``[conductor] power_state_change_timeout``. Raises PowerStateFailure if a read does not confirm the state.
        """
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
        """Return the states that the plugin declares, and reboot. An undeclared reboot is done as power off and power on."""
        declared: frozenset[PowerState] = self._interface.supported_states  # type: ignore[attr-defined]
        return sorted(state.value for state in declared | {PowerState.REBOOT})
