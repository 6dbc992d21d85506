"""Inspect: finding out what a machine is made of."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Inspection, Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class InspectInterface(Interface):
    """Reads the machine's inventory. The runtime stores what it finds."""

    kind = Kind.INSPECT

    @abstractmethod
    def inspect(self, task: Task) -> Inspection | Wait:
        """Inspect the machine and give back what was found, or wait for somebody who reports it."""

    def abort(self, task: Task) -> None:
        """Stop an inspection that waits."""
