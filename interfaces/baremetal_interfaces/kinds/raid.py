"""RAID: the logical disks of a machine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class RAIDInterface(Interface):
    """Creates and deletes logical disks."""

    kind = Kind.RAID

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """What can be said of a logical disk: property name -> meaning."""
        return {}

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` when *raid_config* cannot be made."""

    @abstractmethod
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Make the logical disks of ``node.target_raid_config``."""

    @abstractmethod
    def delete_configuration(self, task: Task) -> Wait | None:
        """Delete all logical disks."""
