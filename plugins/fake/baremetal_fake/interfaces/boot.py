"""Boot of simulated machines: their BMC is told what to boot from, and the "network" what to hand out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import BootDevice, BootInterface, Task

RAMDISK = "fake://ramdisk"
"""What a machine boots as its ramdisk."""


class FakeBoot(MachineAccess, BootInterface):
    """Prepares the next boot of a simulated machine."""

    def prepare_instance(self, task: Task) -> None:
        """Boot from the disk, every time."""
        self._boot_from(task, BootDevice.DISK, persistent=True)

    def clean_up_instance(self, task: Task) -> None:
        """Boot from nothing in particular."""
        self._boot_from(task, None)

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Boot the ramdisk from the network, once."""
        with self.bmc(task) as bmc:
            bmc.write("set_network_image", lambda: setattr(bmc.machine, "network_image", RAMDISK), image=RAMDISK)
        self._boot_from(task, BootDevice.PXE)

    def clean_up_ramdisk(self, task: Task) -> None:
        """Hand out nothing any more."""
        with self.bmc(task) as bmc:
            bmc.write("set_network_image", lambda: setattr(bmc.machine, "network_image", None), image=None)
        self._boot_from(task, None)

    def _boot_from(self, task: Task, device: BootDevice | None, persistent: bool = False) -> None:
        with self.bmc(task) as bmc:
            bmc.set_boot_device(device, persistent)
