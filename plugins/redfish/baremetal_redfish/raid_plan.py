"""Plan of RAID volumes: choice of drives and request bodies for logical disks, before any request is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from baremetal_interfaces import InvalidInput, Problem

GIB = 1024**3


class RAIDLevel(NamedTuple):
    """Redfish's name of a RAID level, and the minimum number of drives."""

    raid_type: str
    min_drives: int


RAID_LEVELS: Mapping[str, RAIDLevel] = {
    "0": RAIDLevel("RAID0", 1),
    "1": RAIDLevel("RAID1", 2),
    "5": RAIDLevel("RAID5", 3),
    "6": RAIDLevel("RAID6", 4),
    "1+0": RAIDLevel("RAID10", 4),
    "5+0": RAIDLevel("RAID50", 6),
    "6+0": RAIDLevel("RAID60", 8),
}
"""RAID levels of the Bare Metal API that Redfish supports."""

PROPERTIES = {
    "size_gb": 'Size in GiB, or "MAX" for the whole capacity of the drives. Required.',
    "raid_level": "RAID level: one of " + ", ".join(RAID_LEVELS) + ". Required.",
    "is_root_volume": "Whether the machine boots from the disk. Only one disk may be the root volume.",
    "volume_name": "Name of the logical disk.",
    "number_of_physical_disks": "Number of drives; by default the minimum of the RAID level.",
    "physical_disks": "Identifiers of the drives; by default the smallest free drives.",
}


@dataclass(frozen=True)
class Controller:
    """State of a storage controller, as far as a plan needs it.

    *collection* is the path of its collection of volumes, and *volumes* are the paths of the existing ones. *drives* maps
    the paths of its drives to their sizes in bytes. *used_drives* are the paths of the drives in existing volumes.
    """

    collection: str
    raid_types: frozenset[str]
    drives: Mapping[str, int]
    used_drives: frozenset[str]
    volumes: tuple[str, ...]

    def without_volumes(self) -> Self:
        """Return a copy in which all volumes are deleted and all drives are free."""
        return replace(self, used_drives=frozenset(), volumes=())


def plan_volumes(disks: Sequence[Mapping[str, Any]], controller: Controller) -> list[dict[str, Any]]:
    """Return the request bodies that create *disks*, in the same order.

    Raises InvalidInput if the controller does not support a RAID level, or too few drives of sufficient size are free.
    """
    free = {path: size for path, size in controller.drives.items() if path not in controller.used_drives}
    bodies = []
    for index, disk in enumerate(disks):
        where = f"logical_disks/{index}"
        level = RAID_LEVELS[disk["raid_level"]]
        if controller.raid_types and level.raid_type not in controller.raid_types:
            can = "the controller supports " + ", ".join(sorted(controller.raid_types))
            raise InvalidInput([Problem(f"{where}/raid_level", f"{disk['raid_level']} is not supported", can)])
        drives = _choose_drives(where, disk, level, free)
        for path in drives:
            del free[path]
        bodies.append(_build_body(disk, level, drives))
    return bodies


def _choose_drives(where: str, disk: Mapping[str, Any], level: RAIDLevel, free: Mapping[str, int]) -> list[str]:
    named = disk.get("physical_disks")
    if named:
        by_name = {path.rpartition("/")[2]: path for path in free}
        missing = [name for name in named if name not in by_name]
        if missing:
            allowed = "the free drives are " + (", ".join(sorted(by_name)) or "none")
            raise InvalidInput([Problem(f"{where}/physical_disks", f"{', '.join(missing)} are not available", allowed)])
        return [by_name[name] for name in named]
    count = disk.get("number_of_physical_disks") or level.min_drives
    size = 0 if disk["size_gb"] == "MAX" else _compute_drive_share(disk["size_gb"] * GIB, level, count)
    fitting = sorted((path for path, room in free.items() if room >= size), key=lambda path: (free[path], path))
    if len(fitting) < count:
        allowed = f"{count} drives of sufficient size are needed, and {len(fitting)} are free"
        raise InvalidInput([Problem(where, "not enough drives", allowed)])
    return fitting[:count]


def _compute_drive_share(size: int, level: RAIDLevel, count: int) -> int:
    """Return the bytes that each of *count* drives must hold for a logical disk of *size* bytes of this RAID level."""
    data_drives = {
        "RAID0": count,
        "RAID1": 1,
        "RAID5": count - 1,
        "RAID6": count - 2,
        "RAID10": count // 2,
        "RAID50": count - 2,  # Two groups with one parity drive each.
        "RAID60": count - 4,  # Two groups with two parity drives each.
    }
    drives = max(1, data_drives[level.raid_type])
    return (size + drives - 1) // drives


def _build_body(disk: Mapping[str, Any], level: RAIDLevel, drives: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"RAIDType": level.raid_type, "Links": {"Drives": [{"@odata.id": path} for path in drives]}}
    if disk["size_gb"] != "MAX":
        body["CapacityBytes"] = disk["size_gb"] * GIB
    if disk.get("volume_name"):
        body["Name"] = disk["volume_name"]
    return body


def check_drives(field: str, disk: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of the number and the identifiers of drives that *disk*, a logical disk with a valid level, names.

    *field* is its path in the error.
    """
    problems: list[Problem] = []
    level, named = disk["raid_level"], disk.get("physical_disks")
    if named is not None and not (isinstance(named, list | tuple) and all(isinstance(name, str) for name in named)):
        problems.append(Problem(f"{field}/physical_disks", f"{named!r} is not valid", "a list of identifiers"))
        named = None
    minimum = RAID_LEVELS[level].min_drives
    count = len(named) if named else disk.get("number_of_physical_disks", minimum)
    if not _is_count(count) or count < minimum:
        problems.append(Problem(field, f"{count!r} drives are too few", f"level {level} needs {minimum} or more"))
    return problems


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
