"""Hardware parts of a system for an inspection, read from its Redfish resources.

Services omit many values and send some with the wrong type; both become None.
"""

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

_MAC_PATTERN = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_ARCHITECTURES = {"x86-64": "x86_64", "ARM-A64": "aarch64", "x86": "x86_64", "ARM": "aarch64", "MIPS64": "mips64"}
"""CPU architecture by instruction set or, without one, by processor architecture.

``Power`` is missing, because it does not say which byte order the processor uses.
"""
_BOOT_MODES = {"UEFI": "uefi", "Legacy": "bios"}
_MIB_IN_GIB = 1024


@dataclass(frozen=True)
class NetworkInterface:
    """Ethernet interface of a system. *address* is its MAC address in lower case with colons; *has_link* is the link status."""

    name: str | None
    address: str | None
    has_link: bool | None
    speed_mbps: int | None


@dataclass(frozen=True)
class Disk:
    """Disk as the machine sees it: a drive, or a volume of a RAID controller. *size* is in bytes."""

    name: str | None
    size: int | None
    model: str | None = None
    vendor: str | None = None
    serial: str | None = None
    rotational: bool | None = None


@dataclass(frozen=True)
class SystemParts:
    """Hardware parts of one system. None stands for a value that the BMC does not report. *memory_mb* is in MiB."""

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
        """Read all resources that *system*, the document of a system, links to."""
        tree = _ResourceReader(session, task)
        processors = [
            processor for processor in tree.members(system, "Processors") if _is_cpu(processor) and _is_present(processor)
        ]
        models = (_parse_text(processor.get("Model")) for processor in processors)
        speeds = (_parse_count(processor.get("MaxSpeedMHz")) for processor in processors)
        return cls(
            cpus=_count_cpus(system, processors),
            cpu_arch=next(filter(None, map(_find_architecture, processors)), None),
            cpu_model=next(filter(None, models), None),
            cpu_mhz=next(filter(None, speeds), None),
            memory_mb=_parse_memory_mb(system),
            manufacturer=_parse_text(system.get("Manufacturer")),
            model=_parse_text(system.get("Model")),
            serial=_parse_text(system.get("SerialNumber")),
            bios_version=_parse_text(system.get("BiosVersion")),
            boot_mode=_BOOT_MODES.get(str(_get_object(system, "Boot").get("BootSourceOverrideMode"))),
            nics=tuple(_parse_nic(nic) for nic in tree.members(system, "EthernetInterfaces") if _is_present(nic)),
            disks=tuple(_iterate_disks(tree, system)),
        )


def drop_none(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


class _ResourceReader:
    """Reader of linked documents. A document that cannot be read counts as not linked and is logged.

    A refused login, an ended session and a busy service raise their errors.
    """

    def __init__(self, session: RedfishSession, task: Task) -> None:
        self._session = session
        self._task = task

    def members(self, document: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """Yield the members of the collection that *document* links to as *name*."""
        link = _get_object(document, name).get("@odata.id")
        collection = self._read(link) if isinstance(link, str) else {}
        yield from self.follow_links(collection.get("Members"))

    def follow_links(self, links: Any) -> Iterator[dict[str, Any]]:
        """Yield the documents behind a list of links."""
        for link in links if isinstance(links, list) else []:
            path = link.get("@odata.id") if isinstance(link, dict) else None
            if isinstance(link, dict) and any(not name.startswith("@") for name in link):
                # The service includes the linked document.
                yield link
            elif isinstance(path, str) and path:
                found = self._read(path)
                if found:
                    yield found

    def _read(self, path: str) -> dict[str, Any]:
        self._task.deadline.check("the inspection")
        try:
            return self._session.transport.read_document(path)
        except (SessionExpired, CredentialsRefused):
            raise
        except sushy.exceptions.HTTPError as exc:
            if is_busy(exc):
                raise
            self._task.log.warning("inspection omits %s: HTTP status %s", path, exc.status_code)
            return {}


def _iterate_disks(tree: _ResourceReader, system: dict[str, Any]) -> Iterator[Disk]:
    """Yield the disks that the machine sees.

    A RAID controller presents its volumes and hides their drives. Older services have only simple storage.
    """
    found = False
    for storage in tree.members(system, "Storage"):
        volumes = [_parse_volume(volume) for volume in tree.members(storage, "Volumes") if _is_present(volume)]
        disks = volumes or [_parse_drive(drive) for drive in tree.follow_links(storage.get("Drives")) if _is_present(drive)]
        found = found or bool(disks)
        yield from disks
    if found:
        return
    for storage in tree.members(system, "SimpleStorage"):
        devices = storage.get("Devices")
        for device in devices if isinstance(devices, list) else []:
            if isinstance(device, dict) and _is_present(device):
                yield _parse_drive(device)


def _parse_drive(document: dict[str, Any]) -> Disk:
    medium = document.get("MediaType")
    return Disk(
        name=_parse_text(document.get("Name")) or _parse_text(document.get("Id")),
        size=_parse_count(document.get("CapacityBytes")),
        model=_parse_text(document.get("Model")),
        vendor=_parse_text(document.get("Manufacturer")),
        serial=_parse_text(document.get("SerialNumber")),
        rotational={"HDD": True, "SSD": False}.get(str(medium)),
    )


def _parse_volume(document: dict[str, Any]) -> Disk:
    return Disk(
        name=_parse_text(document.get("Name")) or _parse_text(document.get("Id")),
        size=_parse_count(document.get("CapacityBytes")),
    )


def _parse_nic(document: dict[str, Any]) -> NetworkInterface:
    address = _parse_mac(document.get("MACAddress")) or _parse_mac(document.get("PermanentMACAddress"))
    return NetworkInterface(
        name=_parse_text(document.get("Id")) or _parse_text(document.get("Name")),
        address=address,
        has_link={"LinkUp": True, "LinkDown": False, "NoLink": False}.get(str(document.get("LinkStatus"))),
        speed_mbps=_parse_count(document.get("SpeedMbps")),
    )


def _count_cpus(system: dict[str, Any], processors: list[dict[str, Any]]) -> int | None:
    """Return the number of logical processors, as an operating system counts them."""
    counts = [
        _parse_count(processor.get("TotalThreads")) or _parse_count(processor.get("TotalCores")) for processor in processors
    ]
    if counts and all(counts):
        return sum(count for count in counts if count)
    summary = _get_object(system, "ProcessorSummary")
    return _parse_count(summary.get("LogicalProcessorCount"))


def _parse_memory_mb(system: dict[str, Any]) -> int | None:
    size = _get_object(system, "MemorySummary").get("TotalSystemMemoryGiB")
    if isinstance(size, bool) or not isinstance(size, int | float) or not math.isfinite(size) or size <= 0:
        return None
    return round(size * _MIB_IN_GIB)


def _find_architecture(processor: dict[str, Any]) -> str | None:
    named = (str(processor.get("InstructionSet")), str(processor.get("ProcessorArchitecture")))
    return next((_ARCHITECTURES[name] for name in named if name in _ARCHITECTURES), None)


def _is_cpu(processor: dict[str, Any]) -> bool:
    return processor.get("ProcessorType") in (None, "CPU")


def _is_present(document: dict[str, Any]) -> bool:
    return _get_object(document, "Status").get("State") != "Absent"


def _get_object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _parse_text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _parse_count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _parse_mac(value: Any) -> str | None:
    text = value.strip().lower().replace("-", ":") if isinstance(value, str) else ""
    return text if _MAC_PATTERN.match(text) and text != "00:00:00:00:00:00" else None
