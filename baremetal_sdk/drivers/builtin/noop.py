"""Interfaces for what is looked after elsewhere: they do nothing, and that is right."""

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
    """The machine stays on the networks that it is plugged into."""

    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Do nothing: the machine is there already."""

    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Do nothing: the machine stays where it is."""

    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        """Take the VIF without doing anything for it, as clients expect that attach one to each instance."""

    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Do nothing: no VIF is kept."""

    def vif_list(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Nothing: no VIF is kept."""
        return ()


class NoopStorage(StorageInterface):
    """All disks are in the machine."""

    def attach_volumes(self, task: Task) -> None:
        """Do nothing: there are no volumes."""

    def detach_volumes(self, task: Task) -> None:
        """Do nothing: there are no volumes."""


class NoopManagement(ManagementInterface):
    """The machine boots from whatever its firmware is set to; nobody is told otherwise."""

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Nobody says what the machine boots from."""
        return BootDeviceSetting(device=None, persistent=None)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Refuse: pretending would boot the wrong thing."""
        raise NotSupported(
            f"the boot device of node {task.node.label} cannot be set to {device}: its management_interface is 'noop'; "
            f"set management_interface to one that its driver {task.node.driver!r} supports"
        )
