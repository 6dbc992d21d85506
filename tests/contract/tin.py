"""A plugin that needs no driver_info: for the kit's command line."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import HardwareType, PowerInterface, PowerState, Task


class TinPower(PowerInterface):
    """One machine of tin for each instance."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.seen = PowerState.OFF

    def get_power_state(self, task: Task) -> PowerState:
        return self.seen

    def set_power_state(self, task: Task, state: PowerState) -> None:
        self.seen = state


class BentPower(TinPower):
    """Takes every command and stays off."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Nothing."""


class TinHardware(HardwareType):
    """Machines of tin."""

    power = ("steel", "tin")
    management = ("steel", "tin")
