"""Interfaces named ``noop``. They change nothing, because another system does their work or because it is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    ManagementInterface,
    NetworkInterface,
    NetworkPurpose,
    NotSupported,
    StorageInterface,
    Task,
)


class NoopNetwork(NetworkInterface):
    """Network interface ``noop``. It leaves the machine on its present networks."""

    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Do nothing: the machine is already on the network."""

    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Do nothing: the machine stays on the network."""

    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        """Accept the VIF and do nothing, because clients attach a VIF to each instance."""

    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Do nothing: no VIF is stored."""

    def vif_list(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return no VIFs, because none is stored."""
        return ()


class NoopStorage(StorageInterface):
    """Storage interface ``noop``. The machine uses only its own disks."""

    def attach_volumes(self, task: Task) -> None:
        """Do nothing: the machine has no volumes."""

    def detach_volumes(self, task: Task) -> None:
        """Do nothing: the machine has no volumes."""


class NoopManagement(ManagementInterface):
    """Management interface ``noop``. It leaves the boot device to the machine's firmware."""

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Return a setting without a boot device, because the boot device is unknown."""
        return BootDeviceSetting(device=None, persistent=None)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Raise NotSupported. Without an error the machine would boot from another device than the caller expects."""
        raise NotSupported(
            f"the boot device of node {task.node.label} cannot be set to {device}: its management_interface is 'noop'; "
            f"set management_interface to one that its driver {task.node.driver!r} supports"
        )
