"""Booting from a network that somebody else runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import BootDevice, BootInterface, DriverInfo, NotSupported, Task, UnexpectedAnswer, option


@dataclass(frozen=True)
class NetworkBootInfo(DriverInfo):
    """How the boot device is set."""

    force_persistent_boot_device: str = option(
        "Whether the machine is told to boot from the network every time (Always) or the next time only (Default, Never).",
        default="Default",
        choices=("Default", "Always", "Never"),
    )


class NetworkBoot(BootInterface):
    """Tells the machine to boot from the network, and nothing more.

    The DHCP, TFTP and HTTP servers, and what they serve to which machine, are somebody else's. Kernel parameters are not
    handed on. With a management interface that sets no boot devices (``noop``) the boot device is left alone: the
    machine's firmware has to prefer the network.
    """

    info_type = NetworkBootInfo

    def prepare_instance(self, task: Task) -> None:
        """Make the network the boot device."""
        self._select_network(task)

    def clean_up_instance(self, task: Task) -> None:
        """Do nothing: nothing is kept for the machine, and its boot device is set anew before it is needed."""

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Make the network the boot device."""
        if parameters:
            task.log.info("the boot server is not ours: kernel parameters are not handed on: %s", ", ".join(sorted(parameters)))
        self._select_network(task)

    def clean_up_ramdisk(self, task: Task) -> None:
        """Do nothing: nothing is kept for the machine."""

    def _select_network(self, task: Task) -> None:
        supported = task.driver.management.get_supported_boot_devices(task)
        if not supported:
            task.log.info("the management interface sets no boot devices: the boot device is left alone")
        elif BootDevice.PXE not in supported:
            listed = ", ".join(sorted(device.value for device in supported))
            raise NotSupported(f"node {task.node.label} cannot be told to boot from the network; supported: {listed}")
        elif task.info(self.kind).force_persistent_boot_device == "Always":
            self._always_network(task)
        else:
            task.power.boot_once(BootDevice.PXE)

    def _always_network(self, task: Task) -> None:
        task.driver.management.set_boot_device(task, BootDevice.PXE, persistent=True)
        found = task.driver.management.get_boot_device(task)
        if found.device not in (BootDevice.PXE, None):
            raise UnexpectedAnswer(f"the BMC was told to boot from {BootDevice.PXE} every time, and now says {found.device}")


class PXEBoot(NetworkBoot):
    """Boots over PXE from a server that somebody else runs."""


class IPXEBoot(NetworkBoot):
    """Boots over iPXE from a server that somebody else runs; to the BMC it is the same boot device as PXE."""
