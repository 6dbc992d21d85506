"""Which drives which logical disk is made of: planned before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from baremetal_interfaces import InvalidInput, Problem

GIB = 1024**3


class Level(NamedTuple):
    """Redfish's name of a RAID level and the fewest drives that it takes."""

    raid_type: str
    drives: int


LEVELS: Mapping[str, Level] = {
    "0": Level("RAID0", 1),
    "1": Level("RAID1", 2),
    "5": Level("RAID5", 3),
    "6": Level("RAID6", 4),
    "1+0": Level("RAID10", 4),
    "5+0": Level("RAID50", 6),
    "6+0": Level("RAID60", 8),
}
"""The RAID levels of the Bare Metal API that Redfish has a word for."""

PROPERTIES = {
    "size_gb": 'Size in GiB, or "MAX" for all that the drives hold. Required.',
    "raid_level": "RAID level: one of " + ", ".join(LEVELS) + ". Required.",
    "is_root_volume": "Whether the machine boots from it; one at the most.",
    "volume_name": "Name of the logical disk.",
    "number_of_physical_disks": "How many drives; as few as the level takes by default.",
    "physical_disks": "The drives, by their identifiers; free ones by default, the smallest first.",
}


@dataclass(frozen=True)
class Controller:
    """A storage controller: its collection of volumes, what it can do, its drives with their sizes in bytes, and which
    of them are taken."""

    collection: str
    raid_types: frozenset[str]
    drives: Mapping[str, int]
    taken: frozenset[str]
    volumes: tuple[str, ...]

    def without_volumes(self) -> Self:
        """The same when all volumes are gone."""
        return replace(self, taken=frozenset(), volumes=())


def planned(disks: Sequence[Mapping[str, Any]], controller: Controller) -> list[dict[str, Any]]:
    """What to send for each of *disks*. Raises InvalidInput where the controller or its free drives do not do."""
    free = {path: size for path, size in controller.drives.items() if path not in controller.taken}
    bodies = []
    for index, disk in enumerate(disks):
        where = f"logical_disks/{index}"
        level = LEVELS[disk["raid_level"]]
        if controller.raid_types and level.raid_type not in controller.raid_types:
            can = "the controller does " + ", ".join(sorted(controller.raid_types))
            raise InvalidInput([Problem(f"{where}/raid_level", f"{disk['raid_level']} cannot be made", can)])
        drives = _chosen(where, disk, level, free)
        for path in drives:
            del free[path]
        bodies.append(_body(disk, level, drives))
    return bodies


def _chosen(where: str, disk: Mapping[str, Any], level: Level, free: Mapping[str, int]) -> list[str]:
    named = disk.get("physical_disks")
    if named:
        by_name = {path.rpartition("/")[2]: path for path in free}
        missing = [name for name in named if name not in by_name]
        if missing:
            allowed = "free are " + (", ".join(sorted(by_name)) or "none")
            raise InvalidInput([Problem(f"{where}/physical_disks", f"{', '.join(missing)} cannot be had", allowed)])
        return [by_name[name] for name in named]
    count = disk.get("number_of_physical_disks") or level.drives
    size = 0 if disk["size_gb"] == "MAX" else _share(disk["size_gb"] * GIB, level, count)
    fitting = sorted((path for path, room in free.items() if room >= size), key=lambda path: (free[path], path))
    if len(fitting) < count:
        allowed = f"{len(fitting)} free drives are large enough, and {count} are needed"
        raise InvalidInput([Problem(where, "there are not enough drives", allowed)])
    return fitting[:count]


def _share(size: int, level: Level, count: int) -> int:
    """How much of *size* one of *count* drives has to hold."""
    data = {"RAID0": count, "RAID1": 1, "RAID5": count - 1, "RAID6": count - 2, "RAID10": count // 2}
    return -(-size // max(1, data.get(level.raid_type, count - 2 * (level.drives // 4))))


def _body(disk: Mapping[str, Any], level: Level, drives: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"RAIDType": level.raid_type, "Links": {"Drives": [{"@odata.id": path} for path in drives]}}
    if disk["size_gb"] != "MAX":
        body["CapacityBytes"] = disk["size_gb"] * GIB
    if disk.get("volume_name"):
        body["Name"] = disk["volume_name"]
    return body


def problems_of(config: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a target RAID configuration, apart from what only the controller knows."""
    disks = config.get("logical_disks")
    if not isinstance(disks, list | tuple) or not disks:
        return [Problem("target_raid_config/logical_disks", f"{disks!r} is not valid", "a list of at least one logical disk")]
    problems = [problem for index, disk in enumerate(disks) for problem in _problems(f"logical_disks/{index}", disk)]
    if not problems and sum(bool(disk.get("is_root_volume")) for disk in disks) > 1:
        problems.append(Problem("logical_disks", "more than one is a root volume", "one at the most"))
    return problems


def _problems(where: str, disk: Any) -> list[Problem]:
    if not isinstance(disk, Mapping):
        return [Problem(where, f"{disk!r} is not a logical disk", "it has to be an object")]
    known = "known are " + ", ".join(PROPERTIES)
    problems = [Problem(f"{where}/{name}", "is not known", known) for name in disk if name not in PROPERTIES]
    size, level, named = disk.get("size_gb"), disk.get("raid_level"), disk.get("physical_disks")
    if size != "MAX" and not _is_count(size):
        problems.append(Problem(f"{where}/size_gb", f"{size!r} is not valid", 'an integer above 0, or "MAX"'))
    if not isinstance(level, str) or level not in LEVELS:
        return [*problems, Problem(f"{where}/raid_level", f"{level!r} is not valid", "one of " + ", ".join(LEVELS))]
    if named is not None and not (isinstance(named, list | tuple) and all(isinstance(one, str) for one in named)):
        problems.append(Problem(f"{where}/physical_disks", f"{named!r} is not valid", "a list of identifiers"))
        named = None
    count = len(named) if named else disk.get("number_of_physical_disks", LEVELS[level].drives)
    if not _is_count(count) or count < LEVELS[level].drives:
        problems.append(Problem(where, f"{count!r} drives do not do", f"level {level} takes {LEVELS[level].drives} or more"))
    return problems


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
