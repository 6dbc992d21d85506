"""Firmware: the versions that a machine's components run, and their update."""

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
    """Lists and updates firmware."""

    kind = Kind.FIRMWARE

    @abstractmethod
    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Ask for all components; the runtime keeps them."""

    @abstractmethod
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Update components, each given as ``{"component": ..., "url": ...}``."""
