"""Disks and drives of a machine: the volumes and drives that its operating system sees, and the drives behind volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from baremetal_redfish.links import get_nested, get_objects, get_path, get_text
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.values import is_present, parse_count

_RAID_VOLUME_TYPES = frozenset({"NonRedundant", "Mirrored", "StripedWithParity", "SpannedMirrors", "SpannedStripesWithParity"})
_UNIQUE_FORMATS = frozenset({"NAA", "EUI"})
"""Formats of identifiers that an operating system shows as the World Wide Name."""


@dataclass(frozen=True)
class Disk:
    """Disk as the machine sees it, or a drive behind a RAID controller. *size* is in bytes, *wwn* its World Wide Name."""

    name: str | None
    size: int | None
    model: str | None = None
    vendor: str | None = None
    serial: str | None = None
    rotational: bool | None = None
    wwn: str | None = None


class Disks(NamedTuple):
    """The *visible* disks of a machine, and all its physical *drives*."""

    visible: tuple[Disk, ...]
    drives: tuple[Disk, ...]


def read_disks(reader: ResourceReader, system: Mapping[str, Any], chassis: Iterable[Mapping[str, Any]]) -> Disks:
    """Return the disks of a system.

    A RAID volume hides its drives. A volume that presents one plain drive is that drive. Without any storage the drives of
    *chassis* are returned, and then the simple storage of older services.
    """
    visible: list[Disk] = []
    drives: dict[str, Disk] = {}
    for storage in reader.members(system.get("Storage")):
        visible += _read_storage(reader, storage, drives)
    if not visible and not drives:
        for member in chassis:
            for drive in reader.members(member.get("Drives")):
                _add_drive(drives, drive)
        visible += drives.values()
    if not visible and not drives:
        visible += _iterate_simple_storage(reader, system)
    return Disks(tuple(visible), tuple(drives.values()))


def _read_storage(reader: ResourceReader, storage: Mapping[str, Any], drives: dict[str, Disk]) -> Iterator[Disk]:
    """Yield the visible disks of a storage, and add all its drives to *drives* by path."""
    own: dict[str, Mapping[str, Any]] = {}
    for document in reader.follow_links(storage.get("Drives")):
        path = _add_drive(drives, document)
        if path is not None:
            own[path] = document
    volumes = [volume for volume in reader.members(storage.get("Volumes")) if is_present(volume)]
    hidden: set[str | None] = {path for path, document in own.items() if _is_spare(document)}
    for volume in volumes:
        members = _list_drives(volume)
        if _is_plain_drive(volume) and (own.keys() & members if members else own):
            continue
        hidden |= members or own.keys()
        yield _parse_volume(volume)
    yield from (drives[path] for path in own if path not in hidden)


def _add_drive(drives: dict[str, Disk], document: Mapping[str, Any]) -> str | None:
    """Add the drive in *document* and return its key, or None for an empty slot."""
    if not is_present(document):
        return None
    path = get_path(document) or f"#{len(drives)}"
    drives[path] = _parse_drive(document)
    return path


def _iterate_simple_storage(reader: ResourceReader, system: Mapping[str, Any]) -> Iterator[Disk]:
    for storage in reader.members(system.get("SimpleStorage")):
        yield from (_parse_drive(device) for device in get_objects(storage.get("Devices")) if is_present(device))


def _is_plain_drive(volume: Mapping[str, Any]) -> bool:
    """Return whether a volume presents one drive unchanged, as Dell's controllers list NVMe drives."""
    kind, raid_type = volume.get("VolumeType"), volume.get("RAIDType")
    if kind == "RawDevice":
        return True
    return raid_type in (None, "None") and kind not in _RAID_VOLUME_TYPES and len(_list_drives(volume)) == 1


def _is_spare(drive: Mapping[str, Any]) -> bool:
    return drive.get("HotspareType") not in (None, "None")


def _list_drives(volume: Mapping[str, Any]) -> set[str | None]:
    return {get_path(reference) for reference in get_objects(get_nested(volume, "Links", "Drives"))} - {None}


def _parse_drive(document: Mapping[str, Any]) -> Disk:
    return Disk(
        name=get_text(document.get("Name")) or get_text(document.get("Id")),
        size=parse_count(document.get("CapacityBytes")),
        model=get_text(document.get("Model")),
        vendor=get_text(document.get("Manufacturer")),
        serial=get_text(document.get("SerialNumber")),
        rotational={"HDD": True, "SSD": False}.get(str(document.get("MediaType"))),
        wwn=_find_wwn(document.get("Identifiers")),
    )


def _parse_volume(document: Mapping[str, Any]) -> Disk:
    return Disk(
        name=get_text(document.get("Name")) or get_text(document.get("Id")),
        size=parse_count(document.get("CapacityBytes")),
        wwn=_find_wwn(document.get("Identifiers")),
    )


def _find_wwn(identifiers: Any) -> str | None:
    names: Sequence[str | None] = [
        get_text(identifier.get("DurableName"))
        for identifier in get_objects(identifiers)
        if identifier.get("DurableNameFormat") in _UNIQUE_FORMATS
    ]
    return next((name for name in names if name), None)
