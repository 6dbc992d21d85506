"""The inspect interface: discovery of a machine's hardware."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Inspection, Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class InspectInterface(Interface):
    """Reads the inventory of a machine. The runtime stores the result."""

    kind = Kind.INSPECT

    @abstractmethod
    def inspect(self, task: Task) -> Inspection | Wait:
        """Inspect the machine. Return the result, or a ``Wait`` if an agent on the machine reports the result later."""

    def abort(self, task: Task) -> None:
        """Abort an inspection that returned a ``Wait`` and has no result yet. By default nothing is done."""
