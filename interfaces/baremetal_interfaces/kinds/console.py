"""The console interface: terminal access to a machine."""

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
        """Start access to the console. A repeated call is not an error."""

    @abstractmethod
    def stop_console(self, task: Task) -> None:
        """Stop access to the console. A repeated call is not an error."""

    @abstractmethod
    def get_console(self, task: Task) -> ConsoleAccess:
        """Return how to reach the console.

        Raises an error of the contract, such as :class:`~baremetal_interfaces.errors.Conflict`, if access is not started.
        """
