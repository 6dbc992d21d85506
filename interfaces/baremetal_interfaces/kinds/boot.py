"""The boot interface: preparation of the next boot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class BootInterface(Interface):
    """Prepares the next boot. Its methods do not change the power state; the caller switches the machine on."""

    kind = Kind.BOOT

    @abstractmethod
    def prepare_instance(self, task: Task) -> None:
        """Prepare the next boot to start the instance that ``task.node.instance_info`` describes."""

    @abstractmethod
    def clean_up_instance(self, task: Task) -> None:
        """Undo :meth:`prepare_instance`. A repeated call is not an error."""

    @abstractmethod
    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Prepare the next boot to start a ramdisk with kernel *parameters*: name -> value."""

    @abstractmethod
    def clean_up_ramdisk(self, task: Task) -> None:
        """Undo :meth:`prepare_ramdisk`. A repeated call is not an error."""
