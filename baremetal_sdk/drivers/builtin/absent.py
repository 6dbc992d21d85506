"""What stands for the kinds of interface that a machine does not have: whatever is asked of it, it says what to set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from baremetal_interfaces import (
    BIOSInterface,
    BIOSSetting,
    ConsoleAccess,
    ConsoleInterface,
    FirmwareComponent,
    FirmwareInterface,
    InspectInterface,
    Inspection,
    Kind,
    NotSupported,
    RAIDInterface,
    RescueInterface,
    Task,
    VendorInterface,
    Wait,
)


def _refuse(task: Task, kind: Kind) -> NoReturn:
    raise NotSupported(
        f"node {task.node.label} has no {kind} interface ({kind}_interface is 'no-{kind}'); "
        f"set {kind}_interface to one that its driver {task.node.driver!r} supports"
    )


class NoBIOS(BIOSInterface):
    """BIOS settings are neither read nor changed."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Refuse."""
        _refuse(task, self.kind)

    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)

    def factory_reset(self, task: Task) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)


class NoRAID(RAIDInterface):
    """Logical disks are neither made nor deleted."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)

    def delete_configuration(self, task: Task) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)


class NoFirmware(FirmwareInterface):
    """Firmware is neither listed nor updated."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Refuse."""
        _refuse(task, self.kind)

    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)


class NoConsole(ConsoleInterface):
    """There is no way to the console."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def start_console(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def stop_console(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def get_console(self, task: Task) -> ConsoleAccess:
        """Refuse."""
        _refuse(task, self.kind)


class NoRescue(RescueInterface):
    """There is no rescue system."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def rescue(self, task: Task) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)

    def unrescue(self, task: Task) -> Wait | None:
        """Refuse."""
        _refuse(task, self.kind)


class NoInspect(InspectInterface):
    """The machine is not inspected."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)

    def inspect(self, task: Task) -> Inspection | Wait:
        """Refuse."""
        _refuse(task, self.kind)

    def abort(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)


class NoVendor(VendorInterface):
    """There are no methods of a vendor."""

    def validate(self, task: Task) -> None:
        """Refuse."""
        _refuse(task, self.kind)
