"""Boot interface of ``fake-hardware``: it sets the boot device, and the image that the simulated network provides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import BootDevice, BootInterface, Task

RAMDISK = "fake://ramdisk"
"""Image that a machine boots from the network as its ramdisk."""


class FakeBoot(MachineAccess, BootInterface):
    """Boot interface ``fake``, which makes a simulated machine boot its disk or the ramdisk."""

    def prepare_instance(self, task: Task) -> None:
        """Set the boot override to the disk for every boot."""
        self._set_boot_device(task, BootDevice.DISK, persistent=True)

    def clean_up_instance(self, task: Task) -> None:
        """Clear the boot override."""
        self._set_boot_device(task, None)

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Provide the ramdisk on the network, and set the boot override to PXE for the next boot. *parameters* are ignored."""
        with self.bmc(task) as bmc:
            bmc.write("set_network_image", lambda: setattr(bmc.machine, "network_image", RAMDISK), image=RAMDISK)
        self._set_boot_device(task, BootDevice.PXE)

    def clean_up_ramdisk(self, task: Task) -> None:
        """Remove the ramdisk from the network, and clear the boot override."""
        with self.bmc(task) as bmc:
            bmc.write("set_network_image", lambda: setattr(bmc.machine, "network_image", None), image=None)
        self._set_boot_device(task, None)

    def _set_boot_device(self, task: Task, device: BootDevice | None, persistent: bool = False) -> None:
        with self.bmc(task) as bmc:
            bmc.set_boot_device(device, persistent)
