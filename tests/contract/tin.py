"""A plugin without driver_info, for tests of the kit's command."""

from __future__ import annotations

from baremetal_interfaces import HardwareType, PowerInterface, PowerState, Task

MACHINE = {"power": PowerState.OFF}
"""The only machine of the plugin."""


class TinPower(PowerInterface):
    """Switches the machine."""

    def get_power_state(self, task: Task) -> PowerState:
        return MACHINE["power"]

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if state in self.supported_states:
            MACHINE["power"] = state


class BentPower(TinPower):
    """Accepts all commands and does nothing."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Do nothing."""


class TinHardware(HardwareType):
    """Machines of the plugin tin."""

    power = ("steel", "tin")
    management = ("steel", "noop")
