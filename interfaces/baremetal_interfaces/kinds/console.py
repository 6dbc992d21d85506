"""Console: a terminal at a machine."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import ConsoleAccess, Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class ConsoleInterface(Interface):
    """Starts and stops access to the console."""

    kind = Kind.CONSOLE

    @abstractmethod
    def start_console(self, task: Task) -> None:
        """Make the console reachable. When it already is, that is not an error."""

    @abstractmethod
    def stop_console(self, task: Task) -> None:
        """Make it unreachable again."""

    @abstractmethod
    def get_console(self, task: Task) -> ConsoleAccess:
        """How to reach it."""
