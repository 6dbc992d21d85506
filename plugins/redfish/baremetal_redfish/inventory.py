"""What a system is made of, read from its resources as they come: services leave out much and get types wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import sushy.exceptions

from baremetal_interfaces import Task
from baremetal_redfish.errors import CredentialsRefused, SessionExpired, is_busy
from baremetal_redfish.session import RedfishSession

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_ARCHITECTURES = {"x86-64": "x86_64", "ARM-A64": "aarch64", "x86": "x86_64", "ARM": "aarch64", "MIPS64": "mips64"}
"""By instruction set, else by architecture; what is left out there is too vague to be said (``Power``: which order of bytes?)."""
_MODES = {"UEFI": "uefi", "Legacy": "bios"}
_MIB_IN_GIB = 1024


@dataclass(frozen=True)
class NetworkInterface:
    """One Ethernet interface. *address* is its MAC address in lower case with colons."""

    name: str | None
    address: str | None
    linked: bool | None
    speed_mbps: int | None


@dataclass(frozen=True)
class Disk:
    """One drive, or one volume of a RAID controller. *size* is in bytes."""

    name: str | None
    size: int | None
    model: str | None = None
    vendor: str | None = None
    serial: str | None = None
    rotational: bool | None = None


@dataclass(frozen=True)
class SystemParts:
    """The parts of a system; None is what its BMC does not tell."""

    cpus: int | None = None
    cpu_arch: str | None = None
    cpu_model: str | None = None
    cpu_mhz: int | None = None
    memory_mb: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    bios_version: str | None = None
    boot_mode: str | None = None
    nics: tuple[NetworkInterface, ...] = field(default=())
    disks: tuple[Disk, ...] = field(default=())

    @classmethod
    def read(cls, session: RedfishSession, system: dict[str, Any], task: Task) -> Self:
        """Read all that *system*, the document of a system, links to."""
        tree = _Tree(session, task)
        processors = [one for one in tree.members(system, "Processors") if _is_cpu(one) and _is_present(one)]
        return cls(
            cpus=_cpus(system, processors),
            cpu_arch=next(filter(None, map(_architecture, processors)), None),
            cpu_model=next((text for one in processors if (text := _text(one.get("Model")))), None),
            cpu_mhz=next((speed for one in processors if (speed := _count(one.get("MaxSpeedMHz")))), None),
            memory_mb=_memory_mb(system),
            manufacturer=_text(system.get("Manufacturer")),
            model=_text(system.get("Model")),
            serial=_text(system.get("SerialNumber")),
            bios_version=_text(system.get("BiosVersion")),
            boot_mode=_MODES.get(str(_inner(system, "Boot").get("BootSourceOverrideMode"))),
            nics=tuple(_nic(one) for one in tree.members(system, "EthernetInterfaces") if _is_present(one)),
            disks=tuple(_disks(tree, system)),
        )


def known(**values: Any) -> dict[str, Any]:
    """The values that are known."""
    return {name: value for name, value in values.items() if value is not None}


class _Tree:
    """Reads linked documents; one that cannot be read is as if it were not linked."""

    def __init__(self, session: RedfishSession, task: Task) -> None:
        self._session = session
        self._task = task

    def members(self, document: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """The members of the collection that *document* links to as *name*."""
        link = _inner(document, name).get("@odata.id")
        collection = self._read(link) if isinstance(link, str) else {}
        yield from self.linked(collection.get("Members"))

    def linked(self, links: Any) -> Iterator[dict[str, Any]]:
        """The documents that a list of links leads to."""
        for link in links if isinstance(links, list) else []:
            path = link.get("@odata.id") if isinstance(link, dict) else None
            if isinstance(link, dict) and any(not name.startswith("@") for name in link):
                # The service gives what is linked to along with the link.
                yield link
            elif isinstance(path, str) and path:
                found = self._read(path)
                if found:
                    yield found

    def _read(self, path: str) -> dict[str, Any]:
        self._task.deadline.check("the inspection")
        try:
            return self._session.transport.document(path)
        except (SessionExpired, CredentialsRefused):
            raise
        except sushy.exceptions.HTTPError as exc:
            if is_busy(exc):
                raise
            self._task.log.warning("%s is left out of the inspection: status %s", path, exc.status_code)
            return {}


def _disks(tree: _Tree, system: dict[str, Any]) -> Iterator[Disk]:
    """Volumes are what the machine sees of drives behind a RAID controller; simple storage is what older services have."""
    found = False
    for storage in tree.members(system, "Storage"):
        volumes = [_volume(one) for one in tree.members(storage, "Volumes") if _is_present(one)]
        disks = volumes or [_drive(one) for one in tree.linked(storage.get("Drives")) if _is_present(one)]
        found = found or bool(disks)
        yield from disks
    if found:
        return
    for storage in tree.members(system, "SimpleStorage"):
        devices = storage.get("Devices")
        for device in devices if isinstance(devices, list) else []:
            if isinstance(device, dict) and _is_present(device):
                yield _drive(device)


def _drive(document: dict[str, Any]) -> Disk:
    medium = document.get("MediaType")
    return Disk(
        name=_text(document.get("Name")) or _text(document.get("Id")),
        size=_count(document.get("CapacityBytes")),
        model=_text(document.get("Model")),
        vendor=_text(document.get("Manufacturer")),
        serial=_text(document.get("SerialNumber")),
        rotational={"HDD": True, "SSD": False}.get(str(medium)),
    )


def _volume(document: dict[str, Any]) -> Disk:
    return Disk(
        name=_text(document.get("Name")) or _text(document.get("Id")),
        size=_count(document.get("CapacityBytes")),
    )


def _nic(document: dict[str, Any]) -> NetworkInterface:
    address = _mac(document.get("MACAddress")) or _mac(document.get("PermanentMACAddress"))
    return NetworkInterface(
        name=_text(document.get("Id")) or _text(document.get("Name")),
        address=address,
        linked={"LinkUp": True, "LinkDown": False, "NoLink": False}.get(str(document.get("LinkStatus"))),
        speed_mbps=_count(document.get("SpeedMbps")),
    )


def _cpus(system: dict[str, Any], processors: list[dict[str, Any]]) -> int | None:
    """Logical processors: what an operating system counts."""
    counts = [_count(one.get("TotalThreads")) or _count(one.get("TotalCores")) for one in processors]
    if counts and all(counts):
        return sum(count for count in counts if count)
    summary = _inner(system, "ProcessorSummary")
    return _count(summary.get("LogicalProcessorCount"))


def _memory_mb(system: dict[str, Any]) -> int | None:
    size = _inner(system, "MemorySummary").get("TotalSystemMemoryGiB")
    if isinstance(size, bool) or not isinstance(size, int | float) or not math.isfinite(size) or size <= 0:
        return None
    return round(size * _MIB_IN_GIB)


def _architecture(processor: dict[str, Any]) -> str | None:
    named = (str(processor.get("InstructionSet")), str(processor.get("ProcessorArchitecture")))
    return next((_ARCHITECTURES[name] for name in named if name in _ARCHITECTURES), None)


def _is_cpu(processor: dict[str, Any]) -> bool:
    return processor.get("ProcessorType") in (None, "CPU")


def _is_present(document: dict[str, Any]) -> bool:
    return _inner(document, "Status").get("State") != "Absent"


def _inner(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _mac(value: Any) -> str | None:
    text = value.strip().lower().replace("-", ":") if isinstance(value, str) else ""
    return text if _MAC.match(text) and text != "00:00:00:00:00:00" else None
