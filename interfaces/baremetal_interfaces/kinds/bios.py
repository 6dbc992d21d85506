"""BIOS: the settings of a machine's firmware."""

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
    """Reads and changes BIOS settings. The methods that change are offered as clean, deploy or service steps."""

    kind = Kind.BIOS

    @abstractmethod
    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Ask for all settings; the runtime keeps them."""

    @abstractmethod
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Change settings, each given as ``{"name": ..., "value": ...}``."""

    @abstractmethod
    def factory_reset(self, task: Task) -> Wait | None:
        """Put all settings back to what the manufacturer set."""
