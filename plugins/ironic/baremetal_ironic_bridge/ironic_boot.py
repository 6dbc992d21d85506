"""Ironic's own boot interface as an interface of the contract, for plugins' deploy interfaces that use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BootInterface, Task


class IronicBoot(BootInterface):
    """Boot interface that passes each call to Ironic's boot interface of one node. An instance serves a single call."""

    def __init__(self, ironic: Any) -> None:
        super().__init__()
        self._ironic = ironic

    def prepare_instance(self, task: Task) -> None:
        """Call ``prepare_instance`` of Ironic's boot interface."""
        self._ironic.driver.boot.prepare_instance(self._ironic)

    def clean_up_instance(self, task: Task) -> None:
        """Call ``clean_up_instance`` of Ironic's boot interface."""
        self._ironic.driver.boot.clean_up_instance(self._ironic)

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Call ``prepare_ramdisk`` of Ironic's boot interface."""
        self._ironic.driver.boot.prepare_ramdisk(self._ironic, dict(parameters))

    def clean_up_ramdisk(self, task: Task) -> None:
        """Call ``clean_up_ramdisk`` of Ironic's boot interface."""
        self._ironic.driver.boot.clean_up_ramdisk(self._ironic)
