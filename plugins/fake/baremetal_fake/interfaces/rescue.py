"""Rescue interface of ``fake-hardware``."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import PowerState, RescueInterface, Task


class FakeRescue(MachineAccess, RescueInterface):
    """Rescue interface ``fake``, which boots a simulated machine into the ramdisk, and later into its instance again."""

    def rescue(self, task: Task) -> None:
        """Reboot the machine into the ramdisk."""
        task.driver.boot.clean_up_instance(task)
        task.driver.boot.prepare_ramdisk(task, {})
        task.power.set(PowerState.REBOOT)

    def unrescue(self, task: Task) -> None:
        """Reboot the machine into its instance."""
        self.clean_up(task)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.REBOOT)

    def clean_up(self, task: Task) -> None:
        """Remove the ramdisk from the simulated network."""
        task.driver.boot.clean_up_ramdisk(task)
