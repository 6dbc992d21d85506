"""Interfaces named ``no-...``, for kinds that a machine does not have. Each method raises NotSupported with the remedy."""

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
    """BIOS interface ``no-bios``. It refuses to read and change BIOS settings."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def factory_reset(self, task: Task) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoRAID(RAIDInterface):
    """RAID interface ``no-raid``. It refuses to create and delete logical disks."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """Return no properties: the machine has no logical disks."""
        return {}

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def delete_configuration(self, task: Task) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoFirmware(FirmwareInterface):
    """Firmware interface ``no-firmware``. It refuses to list and update firmware."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoConsole(ConsoleInterface):
    """Console interface ``no-console``. It refuses access to the console."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def start_console(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def stop_console(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def get_console(self, task: Task) -> ConsoleAccess:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoRescue(RescueInterface):
    """Rescue interface ``no-rescue``. It refuses to rescue the machine. Cleaning up is allowed: it runs after any failure."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def rescue(self, task: Task) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def unrescue(self, task: Task) -> Wait | None:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoInspect(InspectInterface):
    """Inspect interface ``no-inspect``. It refuses to inspect the machine."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def inspect(self, task: Task) -> Inspection | Wait:
        """Raise NotSupported."""
        _refuse(task, self.kind)

    def abort(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)


class NoVendor(VendorInterface):
    """Vendor interface ``no-vendor``. It has no vendor methods."""

    def validate(self, task: Task) -> None:
        """Raise NotSupported."""
        _refuse(task, self.kind)
