"""A plugin that needs no driver_info: for the kit's command line."""

from __future__ import annotations

from baremetal_interfaces import HardwareType, PowerInterface, PowerState, Task

MACHINE = {"power": PowerState.OFF}
"""The one machine of tin."""


class TinPower(PowerInterface):
    """Switches the machine of tin."""

    def get_power_state(self, task: Task) -> PowerState:
        return MACHINE["power"]

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if state in self.supported_states:
            MACHINE["power"] = state


class BentPower(TinPower):
    """Takes every command and stays off."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Nothing."""


class TinHardware(HardwareType):
    """Machines of tin."""

    power = ("steel", "tin")
    management = ("steel", "tin")
