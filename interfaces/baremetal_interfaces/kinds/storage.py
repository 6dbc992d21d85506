"""The storage interface: remote volumes of a machine."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class StorageInterface(Interface):
    """Attaches and detaches the remote volumes of a node."""

    kind = Kind.STORAGE

    @abstractmethod
    def attach_volumes(self, task: Task) -> None:
        """Attach the node's volumes at the storage system. A repeated call is not an error."""

    @abstractmethod
    def detach_volumes(self, task: Task) -> None:
        """Detach the node's volumes at the storage system. A repeated call is not an error."""

    def should_write_image(self, task: Task) -> bool:
        """Return whether a deployment writes an image to a local disk; False for a node that boots from a volume."""
        return True
