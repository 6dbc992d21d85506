"""Values that drivers, runtime and clients share. The text of an enum member is its form in the Bare Metal API."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The thirteen kinds of interface. The driver of a node has one interface of each kind."""

    POWER = "power"
    MANAGEMENT = "management"
    BOOT = "boot"
    DEPLOY = "deploy"
    INSPECT = "inspect"
    BIOS = "bios"
    RAID = "raid"
    FIRMWARE = "firmware"
    CONSOLE = "console"
    RESCUE = "rescue"
    NETWORK = "network"
    STORAGE = "storage"
    VENDOR = "vendor"


class PowerState(StrEnum):
    """Power states of a machine, and power commands.

    A driver reports ``ON``, ``OFF`` or ``UNKNOWN``. Clients can request all states but ``UNKNOWN``, if the driver declares
    them.
    """

    ON = "power on"
    OFF = "power off"
    UNKNOWN = "unknown"
    REBOOT = "rebooting"
    SOFT_OFF = "soft power off"
    SOFT_REBOOT = "soft rebooting"

    @property
    def outcome(self) -> PowerState:
        """The power state after this command has taken effect: on after a reboot, off after a soft power off."""
        return _OUTCOME.get(self, self)


_OUTCOME = {
    PowerState.REBOOT: PowerState.ON,
    PowerState.SOFT_REBOOT: PowerState.ON,
    PowerState.SOFT_OFF: PowerState.OFF,
}


class BootDevice(StrEnum):
    """Devices that a machine can boot from."""

    PXE = "pxe"
    DISK = "disk"
    CDROM = "cdrom"
    BIOS = "bios"
    SAFE = "safe"
    WANBOOT = "wanboot"
    ISCSIBOOT = "iscsiboot"
    FLOPPY = "floppy"
    UEFIHTTP = "uefihttp"


class BootMode(StrEnum):
    """Boot modes of the firmware."""

    BIOS = "bios"
    UEFI = "uefi"


class Health(StrEnum):
    """Overall health of a machine, as its BMC reports it."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class IndicatorState(StrEnum):
    """States of an indicator light of a machine."""

    OFF = "OFF"
    ON = "ON"
    BLINKING = "BLINKING"
    UNKNOWN = "UNKNOWN"


class VirtualMediaDevice(StrEnum):
    """Virtual devices through which a BMC offers an image to its machine."""

    CDROM = "cdrom"
    DISK = "disk"
    FLOPPY = "floppy"


@dataclass(frozen=True)
class BootDeviceSetting:
    """The boot device of a machine.

    *persistent* is True if the device is used for each boot, and False for the next boot only. A value is None if the BMC does
    not report it.
    """

    device: BootDevice | None
    persistent: bool | None


@dataclass(frozen=True)
class InspectedPort:
    """A network interface found by an inspection. *address* is its MAC address in lower case with colons."""

    address: str
    name: str | None = None
    pxe_enabled: bool | None = None


@dataclass(frozen=True)
class Inspection:
    """The result of an inspection.

    *properties* are merged into the node's properties, with Ironic's names: ``cpus``, ``memory_mb`` (MiB), ``local_gb``
    (GiB), ``cpu_arch``. The runtime creates a port for each entry of *ports* whose address has none yet. *inventory* is stored
    unchanged.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    ports: tuple[InspectedPort, ...] = ()
    inventory: dict[str, Any] | None = None


@dataclass(frozen=True)
class BIOSSetting:
    """A BIOS setting and, if the BMC reports them, its type and its allowed values. None means not reported."""

    name: str
    value: str | None
    attribute_type: str | None = None
    allowable_values: tuple[str, ...] = ()
    lower_bound: int | None = None
    upper_bound: int | None = None
    read_only: bool | None = None
    reset_required: bool | None = None


@dataclass(frozen=True)
class FirmwareComponent:
    """A component with updatable firmware, and its versions. None means not reported."""

    component: str
    current_version: str | None
    initial_version: str | None = None
    last_version_flashed: str | None = None


@dataclass(frozen=True)
class ConsoleAccess:
    """Access to a machine's console: its *type*, such as ``socat`` or ``vnc``, and its *url*."""

    type: str
    url: str
