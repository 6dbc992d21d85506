"""The firmware interface: firmware versions of a machine's components, and updates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import FirmwareComponent, Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class FirmwareInterface(Interface):
    """Lists and updates firmware. A plugin declares :meth:`update` as a clean, deploy or service step."""

    kind = Kind.FIRMWARE

    @abstractmethod
    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Read all components from the BMC. The runtime stores them."""

    @abstractmethod
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Update firmware; *settings* is a list of ``{"component": str, "url": str}``.

        Return a ``Wait`` if the update continues in the background, None if it is complete. Raises
        :class:`~baremetal_interfaces.errors.InvalidInput` with all problems, such as unknown components, before the first update.
        """
