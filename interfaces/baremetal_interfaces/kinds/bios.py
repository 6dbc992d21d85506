"""The BIOS interface: settings of a machine's firmware."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import BIOSSetting, Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class BIOSInterface(Interface):
    """Reads and changes BIOS settings. A plugin declares the methods that change settings as clean, deploy or service steps."""

    kind = Kind.BIOS

    @abstractmethod
    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Read all settings from the BMC. The runtime stores them."""

    @abstractmethod
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Apply *settings*, a list of ``{"name": str, "value": ...}``.

        Return a ``Wait`` if the change continues in the background, None if it is complete. Raises
        :class:`~baremetal_interfaces.errors.InvalidInput` with all problems, such as unknown names, before the first change.
        """

    @abstractmethod
    def factory_reset(self, task: Task) -> Wait | None:
        """Reset all settings to the defaults of the manufacturer.

        Return a ``Wait`` if the reset continues in the background, None if it is complete.
        """
