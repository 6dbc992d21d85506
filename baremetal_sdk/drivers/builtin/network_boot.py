"""Boot interfaces for network boot from servers that this project does not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import BootDevice, BootInterface, DriverInfo, NotSupported, Task, UnexpectedAnswer, option


@dataclass(frozen=True)
class NetworkBootInfo(DriverInfo):
    """``driver_info`` options of network boot."""

    force_persistent_boot_device: str = option(
        "Whether the machine boots from the network at every start (Always) or only at the next one (Default, Never).",
        default="Default",
        choices=("Default", "Always", "Never"),
    )


class NetworkBoot(BootInterface):
    """Boot interface that sets the boot device to the network, and nothing more.

    Other systems run the DHCP, TFTP and HTTP servers and decide on the files for each machine. They receive no kernel
    parameters from here. With a management interface that cannot set boot devices (``noop``), the boot device is unchanged:
    the machine's firmware has to boot from the network first.
    """

    info_type = NetworkBootInfo

    def prepare_instance(self, task: Task) -> None:
        """Set the boot device to the network, for the next boot or for every boot (``force_persistent_boot_device``)."""
        self._select_network(task)

    def clean_up_instance(self, task: Task) -> None:
        """Do nothing: the interface keeps nothing for the machine, and the boot device is set again before the next boot."""

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Set the boot device to the network. Kernel parameters are logged and ignored."""
        if parameters:
            names = ", ".join(sorted(parameters))
            task.log.info("ignoring kernel parameters, because the boot server is not managed here: %s", names)
        self._select_network(task)

    def clean_up_ramdisk(self, task: Task) -> None:
        """Do nothing: the interface keeps nothing for the machine."""

    def _select_network(self, task: Task) -> None:
        supported = task.driver.management.get_supported_boot_devices(task)
        if not supported:
            task.log.info("the management interface sets no boot devices: the boot device is unchanged")
        elif BootDevice.PXE not in supported:
            names = ", ".join(sorted(device.value for device in supported))
            raise NotSupported(f"node {task.node.label} cannot boot from the network; supported boot devices: {names}")
        elif task.info(self.kind).force_persistent_boot_device == "Always":
            self._set_network_permanently(task)
        else:
            task.power.boot_once(BootDevice.PXE)

    def _set_network_permanently(self, task: Task) -> None:
        task.driver.management.set_boot_device(task, BootDevice.PXE, persistent=True)
        found = task.driver.management.get_boot_device(task)
        if found.device not in (BootDevice.PXE, None):
            raise UnexpectedAnswer(f"boot device was set to {BootDevice.PXE} for every boot, and the BMC reports {found.device}")


class PXEBoot(NetworkBoot):
    """Boot interface ``pxe``: the machine boots over PXE from a server that this project does not run."""


class IPXEBoot(NetworkBoot):
    """Boot interface ``ipxe``: the machine boots over iPXE from a server that this project does not run.

    BMCs have the same boot device for PXE and iPXE.
    """
