"""Rescue of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import PowerState, RescueInterface, Task


class FakeRescue(MachineAccess, RescueInterface):
    """Rescue interface of a simulated machine. It boots the ramdisk, and then the instance again."""

    def rescue(self, task: Task) -> None:
        """Boot the ramdisk."""
        task.driver.boot.clean_up_instance(task)
        task.driver.boot.prepare_ramdisk(task, {})
        task.power.set(PowerState.REBOOT)

    def unrescue(self, task: Task) -> None:
        """Boot the instance again."""
        self.clean_up(task)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.REBOOT)

    def clean_up(self, task: Task) -> None:
        """Remove the ramdisk from the network."""
        task.driver.boot.clean_up_ramdisk(task)
