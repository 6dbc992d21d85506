"""The rescue interface: boot of a rescue system."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class RescueInterface(Interface):
    """Boots a machine into a rescue system, and back into its instance."""

    kind = Kind.RESCUE

    @abstractmethod
    def rescue(self, task: Task) -> Wait | None:
        """Boot the rescue system. Return a ``Wait`` if the boot continues in the background, None if it is complete."""

    @abstractmethod
    def unrescue(self, task: Task) -> Wait | None:
        """Boot the instance again. Return a ``Wait`` if the boot continues in the background, None if it is complete."""

    def clean_up(self, task: Task) -> None:
        """Remove all resources of a rescue that was aborted or failed."""
