"""RAID controllers of a system as Redfish describes them, with their drives and volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from baremetal_interfaces import NotSupported
from baremetal_redfish.links import follow, get_nested, get_objects, get_path, get_text, iterate_members
from baremetal_redfish.session import RedfishSession

_DISK_TYPES = {"HDD": "hdd", "SMR": "hdd", "SSD": "ssd"}
"""Redfish's ``MediaType`` -> ``disk_type`` of the Bare Metal API."""
_INTERFACE_TYPES = {"SATA": "sata", "SAS": "sas", "SCSI": "scsi"}
"""Redfish's ``Protocol`` -> ``interface_type`` of the Bare Metal API. Others are named in lower case, such as nvme."""
_RAID_VOLUME_TYPES = frozenset({"NonRedundant", "Mirrored", "StripedWithParity", "SpannedMirrors", "SpannedStripesWithParity"})
"""Values of ``VolumeType`` that mean a RAID volume, in services that are older than ``RAIDType``."""


class Drive(NamedTuple):
    """A drive: its path, its identifiers, its size in bytes, and its type and interface if the BMC reports them."""

    path: str
    names: tuple[str, ...]
    size: int
    disk_type: str | None
    interface_type: str | None

    @property
    def label(self) -> str:
        """The identifier of the drive in messages."""
        return self.names[0]


class Volume(NamedTuple):
    """A volume: its path, the paths of its drives, and whether it is a RAID volume and not a plain drive."""

    path: str
    drives: frozenset[str]
    is_raid: bool


@dataclass(frozen=True)
class Controller:
    """State of a storage controller, as far as a plan needs it.

    *names* are the names by which clients can select it, the identifier of its storage first. *collection* is the path of its
    collection of volumes. *raid_types* are the RAID types that it supports; empty if it does not report them.
    """

    names: tuple[str, ...]
    collection: str
    raid_types: frozenset[str]
    drives: tuple[Drive, ...]
    volumes: tuple[Volume, ...]

    @property
    def label(self) -> str:
        """The name of the controller in messages."""
        return self.names[0]

    @property
    def used_drives(self) -> frozenset[str]:
        """The paths of the drives of all volumes."""
        return frozenset(path for volume in self.volumes for path in volume.drives)

    @property
    def raid_volumes(self) -> tuple[str, ...]:
        """The paths of the RAID volumes. Plain drives, which some services list as volumes, are missing."""
        return tuple(volume.path for volume in self.volumes if volume.is_raid)

    def without_raid_volumes(self) -> Self:
        """Return a copy in which the RAID volumes are deleted and their drives are free."""
        return replace(self, volumes=tuple(volume for volume in self.volumes if not volume.is_raid))


def read_controllers(session: RedfishSession, system_path: str) -> list[Controller]:
    """Return the controllers of a system that support RAID.

    They are the controllers with volumes that report RAID types. Only if no controller reports any, those without a report
    are returned, because older services do not know the property. Raises NotSupported if the system has none.
    """
    system = session.read_document(system_path)
    storages = [storage for storage in iterate_members(session, system.get("Storage")) if get_path(storage.get("Volumes"))]
    capable: list[tuple[dict[str, Any], Sequence[Mapping[str, Any]], frozenset[str]]] = []
    silent = []
    for storage in storages:
        controllers = get_objects(storage.get("StorageControllers"))
        controllers = controllers or list(iterate_members(session, storage.get("Controllers")))
        types = frozenset(
            kind for controller in controllers for kind in controller.get("SupportedRAIDTypes") or () if isinstance(kind, str)
        )
        if types - {"None"}:
            capable.append((storage, controllers, types))
        elif not any("SupportedRAIDTypes" in controller for controller in controllers):
            silent.append((storage, controllers, types))
    found = [_read_controller(session, *parts) for parts in capable or silent]
    if not found:
        raise NotSupported("the BMC offers no storage controller with volumes for this system")
    return found


def _read_controller(
    session: RedfishSession, storage: Mapping[str, Any], controllers: Sequence[Mapping[str, Any]], types: frozenset[str]
) -> Controller:
    collection = get_path(storage.get("Volumes"))
    assert collection is not None
    drives = (follow(session, reference) for reference in get_objects(storage.get("Drives")))
    parsed = (_parse_drive(drive) for drive in drives if drive is not None)
    volumes = (_parse_volume(volume) for volume in iterate_members(session, storage.get("Volumes")))
    path = get_path(storage) or collection.rpartition("/")[0]
    return Controller(
        names=tuple(dict.fromkeys(_list_controller_names(path, storage, controllers))),
        collection=collection,
        raid_types=types,
        drives=tuple(drive for drive in parsed if drive is not None),
        volumes=tuple(volume for volume in volumes if volume is not None),
    )


def _list_controller_names(path: str, storage: Mapping[str, Any], controllers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    documents = (storage, *controllers)
    for value in (storage.get("Id"), path.rpartition("/")[2], *(document.get("Name") for document in documents)):
        name = get_text(value)
        if name is not None:
            yield name
    for controller in controllers:
        # A MemberId is only the index in the list of one storage, so it identifies no controller.
        name = get_text(controller.get("Id"))
        if name is not None:
            yield name


def _parse_drive(document: Mapping[str, Any]) -> Drive | None:
    """Return the drive in *document*, or None for an empty slot or a drive of unknown size."""
    path, size = get_path(document), document.get("CapacityBytes")
    if path is None or not isinstance(size, int) or get_nested(document, "Status", "State") == "Absent":
        return None
    media, protocol = get_text(document.get("MediaType")), get_text(document.get("Protocol"))
    identifier = get_text(document.get("Id"))
    names = (path.rpartition("/")[2], *([identifier] if identifier else []))
    return Drive(
        path=path,
        names=tuple(dict.fromkeys(names)),
        size=size,
        disk_type=None if media is None else _DISK_TYPES.get(media, media.lower()),
        interface_type=None if protocol is None else _INTERFACE_TYPES.get(protocol, protocol.lower()),
    )


def _parse_volume(document: Mapping[str, Any]) -> Volume | None:
    path = get_path(document)
    if path is None:
        return None
    drives = (get_path(drive) for drive in get_objects(get_nested(document, "Links", "Drives")))
    kind = document.get("VolumeType")
    is_raid = kind != "RawDevice" and (document.get("RAIDType") is not None or kind in _RAID_VOLUME_TYPES)
    return Volume(path, frozenset(drive for drive in drives if drive), is_raid)
