"""Boot: making a machine start what it is to start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class BootInterface(Interface):
    """Prepares the next boot. Power stays as it is: who calls it decides when the machine starts."""

    kind = Kind.BOOT

    @abstractmethod
    def prepare_instance(self, task: Task) -> None:
        """Prepare the boot of the instance that ``node.instance_info`` describes."""

    @abstractmethod
    def clean_up_instance(self, task: Task) -> None:
        """Undo :meth:`prepare_instance`. What is already undone is not an error."""

    @abstractmethod
    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Prepare the boot of a ramdisk that runs on the machine with kernel *parameters*."""

    @abstractmethod
    def clean_up_ramdisk(self, task: Task) -> None:
        """Undo :meth:`prepare_ramdisk`. What is already undone is not an error."""
