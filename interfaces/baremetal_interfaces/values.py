"""The values that drivers, runtime and clients share. Their text is what the Bare Metal API puts on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The thirteen kinds of interface that make up the driver of a node."""

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
    """What a machine's power can be, and what can be asked of it.

    ``ON``, ``OFF`` and ``UNKNOWN`` can be observed. All but ``UNKNOWN`` can be asked for, where a driver declares them.
    """

    ON = "power on"
    OFF = "power off"
    UNKNOWN = "unknown"
    REBOOT = "rebooting"
    SOFT_OFF = "soft power off"
    SOFT_REBOOT = "soft rebooting"

    @property
    def outcome(self) -> PowerState:
        """The state to be observed once this one has been reached: on after a reboot, off after a soft power off."""
        return _OUTCOME.get(self, self)


_OUTCOME = {
    PowerState.REBOOT: PowerState.ON,
    PowerState.SOFT_REBOOT: PowerState.ON,
    PowerState.SOFT_OFF: PowerState.OFF,
}


class BootDevice(StrEnum):
    """What a machine boots from."""

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
    """How the firmware starts an operating system."""

    BIOS = "bios"
    UEFI = "uefi"


class Health(StrEnum):
    """What a BMC says of its machine as a whole."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class IndicatorState(StrEnum):
    """The state of a light on a machine."""

    OFF = "OFF"
    ON = "ON"
    BLINKING = "BLINKING"
    UNKNOWN = "UNKNOWN"


class VirtualMediaDevice(StrEnum):
    """A device that a BMC makes out of an image."""

    CDROM = "cdrom"
    DISK = "disk"
    FLOPPY = "floppy"


@dataclass(frozen=True)
class BootDeviceSetting:
    """What the next boot, or with *persistent* every boot, starts from; *device* is None where the BMC does not say."""

    device: BootDevice | None
    persistent: bool | None


@dataclass(frozen=True)
class InspectedPort:
    """A network interface that an inspection found. *address* is its MAC address in lower case with colons."""

    address: str
    name: str | None = None
    pxe_enabled: bool | None = None


@dataclass(frozen=True)
class Inspection:
    """What an inspection found.

    *properties* go into the node's properties (``cpus``, ``memory_mb``, ``local_gb``, ``cpu_arch``, ...); a *ports* entry
    becomes a port unless there is one with its address; *inventory* is stored as it is.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    ports: tuple[InspectedPort, ...] = ()
    inventory: dict[str, Any] | None = None


@dataclass(frozen=True)
class BIOSSetting:
    """One BIOS setting and, where the BMC tells, what it may be."""

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
    """One updatable component and its version."""

    component: str
    current_version: str | None
    initial_version: str | None = None
    last_version_flashed: str | None = None


@dataclass(frozen=True)
class ConsoleAccess:
    """How to reach a machine's console: a *type* such as ``socat`` or ``vnc``, and a *url*."""

    type: str
    url: str
