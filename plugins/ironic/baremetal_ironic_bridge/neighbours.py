"""Ironic's own interfaces of a node as interfaces of the contract, for a bridged one that needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BootInterface, Task


class IronicBoot(BootInterface):
    """The node's boot interface, where that is Ironic's own. It belongs to one call on one node."""

    def __init__(self, ironic: Any) -> None:
        super().__init__()
        self._ironic = ironic

    def prepare_instance(self, task: Task) -> None:
        """Have Ironic do it."""
        self._ironic.driver.boot.prepare_instance(self._ironic)

    def clean_up_instance(self, task: Task) -> None:
        """Have Ironic do it."""
        self._ironic.driver.boot.clean_up_instance(self._ironic)

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Have Ironic do it."""
        self._ironic.driver.boot.prepare_ramdisk(self._ironic, dict(parameters))

    def clean_up_ramdisk(self, task: Task) -> None:
        """Have Ironic do it."""
        self._ironic.driver.boot.clean_up_ramdisk(self._ironic)
