"""A simulated machine in this process that records its power and boot commands."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    Interface,
    LocalTask,
    ManagementInterface,
    Node,
    PowerInterface,
    PowerState,
    Task,
)


class MachinePower(PowerInterface):
    """Power interface that obeys at once, unless the machine is stuck."""

    def __init__(self, history: list[str]) -> None:
        super().__init__()
        self.history = history
        self.seen = PowerState.ON
        self.stuck = False

    def get_power_state(self, task: Task) -> PowerState:
        return self.seen

    def set_power_state(self, task: Task, state: PowerState) -> None:
        self.history.append(state.value)
        if not self.stuck:
            self.seen = state


class MachineManagement(ManagementInterface):
    """Management interface of a machine that boots from its disk until another device is set."""

    supported_boot_devices = frozenset({BootDevice.PXE, BootDevice.DISK})

    def __init__(self, history: list[str]) -> None:
        super().__init__()
        self.history = history
        self.setting = BootDeviceSetting(BootDevice.DISK, True)

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        return self.setting

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        self.history.append(f"{device} {'always' if persistent else 'once'}")
        self.setting = BootDeviceSetting(device, persistent)


class ManualClock:
    """Clock that advances by the seconds that a caller waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


class Machine:
    """A machine, and tasks on it."""

    def __init__(self) -> None:
        self.history: list[str] = []
        self.power = MachinePower(self.history)
        self.management: ManagementInterface = MachineManagement(self.history)

    def task(self, driver_info: dict[str, Any] | None = None, instance_info: Any = None, **interfaces: Interface) -> LocalTask:
        """Return a task with these interfaces besides power and management."""
        clock = ManualClock()
        node = Node(uuid="8f2c1b1e-0000-4000-8000-000000000001", name="n1", driver="acme", instance_info=instance_info or {})
        given: dict[str, Interface] = {"power": self.power, "management": self.management, **interfaces}
        return LocalTask(given, driver_info or {}, node=node, timeout=30.0, clock=clock, wait=clock.wait)
