"""Storage: volumes that lie outside of a machine."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class StorageInterface(Interface):
    """Attaches and detaches a node's volumes."""

    kind = Kind.STORAGE

    @abstractmethod
    def attach_volumes(self, task: Task) -> None:
        """Tell the storage that the machine will use its volumes."""

    @abstractmethod
    def detach_volumes(self, task: Task) -> None:
        """Tell the storage that it no longer does."""

    def should_write_image(self, task: Task) -> bool:
        """Whether a deployment writes an image to a local disk."""
        return True
