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
_RAID_VOLUME_TYPES = frozenset({"Mirrored", "StripedWithParity", "SpannedMirrors", "SpannedStripesWithParity"})
"""Values of ``VolumeType`` that mean a RAID volume, in services that are older than ``RAIDType``."""
_SPARE_TYPES = frozenset({"Global", "Chassis", "Dedicated"})
"""Values of ``HotspareType`` of a drive that is reserved."""


class Drive(NamedTuple):
    """A drive: its path, its identifiers, its size in bytes, and its type and interface if the BMC reports them.

    *volumes* are the paths of its volumes, which some services report only with the drive.
    """

    path: str
    names: tuple[str, ...]
    size: int
    disk_type: str | None
    interface_type: str | None
    volumes: frozenset[str] = frozenset()

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
    *apply_time* is the time for requests, if it has to be named.
    """

    names: tuple[str, ...]
    collection: str
    raid_types: frozenset[str]
    drives: tuple[Drive, ...]
    volumes: tuple[Volume, ...]
    apply_time: str | None = None

    @property
    def label(self) -> str:
        """The name of the controller in messages."""
        return self.names[0]

    @property
    def used_drives(self) -> frozenset[str]:
        """The paths of the drives of all volumes."""
        volumes = {volume.path for volume in self.volumes}
        linked = (drive.path for drive in self.drives if drive.volumes & volumes)
        return frozenset((*(path for volume in self.volumes for path in volume.drives), *linked))

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
    storages = _read_storages(session, system_path)
    reporting = [storage for storage in storages if storage.raid_types]
    found = [_read_controller(session, storage) for storage in reporting or storages if storage.raid_types is None or reporting]
    if not found:
        raise NotSupported("the BMC offers no storage controller with volumes for this system")
    return found


def read_raid_volumes(session: RedfishSession, system_path: str | None) -> list[str]:
    """Return the paths of the RAID volumes of a system, of all its controllers that may have some.

    Volumes that present a plain drive or an NVMe namespace are missing: their deletion would delete data that no RAID
    configuration names. Raises NotSupported if the system has no controller with volumes.
    """
    storages = _read_storages(session, system_path)
    if not storages:
        raise NotSupported("the BMC offers no storage controller with volumes for this system")
    capable = [storage for storage in storages if storage.raid_types is None or storage.raid_types]
    return [path for storage in capable for path in _read_controller(session, storage).raid_volumes]


def read_raid_volume(session: RedfishSession, path: str) -> dict[str, Any] | None:
    """Return the document of the RAID volume at *path*, or None if there is none or it is a plain drive."""
    document = follow(session, {"@odata.id": path})
    volume = _parse_volume({"@odata.id": path, **document}, reports_types=True) if document is not None else None
    return document if volume is not None and volume.is_raid else None


def choose_apply_time(*documents: Any) -> str | None:
    """Return the apply time for a request, from the first document that lists the supported ones; None if none lists any.

    Only a service that does not support ``Immediate`` gets ``OnReset``.
    """
    for document in documents:
        supported = get_nested(document, "@Redfish.OperationApplyTimeSupport", "SupportedValues")
        if isinstance(supported, list):
            return next((time for time in ("Immediate", "OnReset") if time in supported), None)
    return None


class _Storage(NamedTuple):
    """A storage with volumes: its document, its controllers, and their RAID types; None if they do not report them."""

    document: Mapping[str, Any]
    controllers: Sequence[Mapping[str, Any]]
    raid_types: frozenset[str] | None


def _read_storages(session: RedfishSession, system_path: str | None) -> list[_Storage]:
    system = session.read_document(system_path)
    found = []
    for document in iterate_members(session, system.get("Storage")):
        if get_path(document.get("Volumes")) is None:
            continue
        controllers = get_objects(document.get("StorageControllers"))
        controllers = controllers or list(iterate_members(session, document.get("Controllers")))
        lists = [controller["SupportedRAIDTypes"] for controller in controllers if "SupportedRAIDTypes" in controller]
        types = frozenset(
            kind for supported in lists if isinstance(supported, list) for kind in supported if isinstance(kind, str)
        )
        # A controller whose only type is None passes drives through.
        has_raid = bool(types - {"None"})
        found.append(_Storage(document, controllers, types if has_raid else frozenset() if lists else None))
    return found


def _read_controller(session: RedfishSession, read: _Storage) -> Controller:
    storage = read.document
    collection = get_path(storage.get("Volumes"))
    assert collection is not None
    drives = (follow(session, reference) for reference in get_objects(storage.get("Drives")))
    parsed = (_parse_drive(drive) for drive in drives if drive is not None)
    reports_types = read.raid_types is not None
    members = iterate_members(session, storage.get("Volumes"))
    volumes = (_parse_volume(volume, reports_types=reports_types) for volume in members)
    path = get_path(storage) or collection.rpartition("/")[0]
    return Controller(
        names=tuple(dict.fromkeys(_list_controller_names(path, storage, read.controllers))),
        collection=collection,
        raid_types=read.raid_types or frozenset(),
        drives=tuple(drive for drive in parsed if drive is not None),
        volumes=tuple(volume for volume in volumes if volume is not None),
        apply_time=choose_apply_time(follow(session, storage.get("Volumes"), large=True)),
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
    """Return the drive in *document*, or None for an empty slot, a failed or reserved drive, or one of unknown size."""
    path, size = get_path(document), document.get("CapacityBytes")
    if path is None or not isinstance(size, int) or get_nested(document, "Status", "State") == "Absent":
        return None
    if get_nested(document, "Status", "Health") == "Critical" or document.get("HotspareType") in _SPARE_TYPES:
        return None
    media, protocol = get_text(document.get("MediaType")), get_text(document.get("Protocol"))
    identifier = get_text(document.get("Id"))
    names = (path.rpartition("/")[2], *([identifier] if identifier else []))
    linked = (get_path(volume) for volume in get_objects(get_nested(document, "Links", "Volumes")))
    return Drive(
        path=path,
        volumes=frozenset(volume for volume in linked if volume),
        names=tuple(dict.fromkeys(names)),
        size=size,
        disk_type=None if media is None else _DISK_TYPES.get(media, media.lower()),
        interface_type=None if protocol is None else _INTERFACE_TYPES.get(protocol, protocol.lower()),
    )


def _parse_volume(document: Mapping[str, Any], *, reports_types: bool) -> Volume | None:
    """Return the volume in *document*. *reports_types* says whether its controller reports RAID types."""
    path = get_path(document)
    if path is None:
        return None
    references = (get_path(drive) for drive in get_objects(get_nested(document, "Links", "Drives")))
    drives = frozenset(drive for drive in references if drive)
    kind, raid_type = document.get("VolumeType"), document.get("RAIDType")
    if kind == "RawDevice" or raid_type == "None" or get_nested(document, "NVMeNamespaceProperties") is not None:
        is_raid = False
    elif kind == "NonRedundant" and len(drives) <= 1 and not reports_types:
        # Services list a plain drive in this form, too. Only a controller that does RAID makes such a volume.
        is_raid = False
    else:
        is_raid = get_text(raid_type) is not None or (raid_type is None and kind in _RAID_VOLUME_TYPES)
    return Volume(path, drives, is_raid)
