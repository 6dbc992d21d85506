"""Plan of RAID volumes: choice of controllers and drives, and request bodies, before any request is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from baremetal_interfaces import InvalidInput, Problem
from baremetal_redfish.raid_controllers import Controller, Drive

GIB = 1024**3
_MAX_NAMED_DRIVES = 24
"""Number of drives that an error describes."""


class RAIDLevel(NamedTuple):
    """Redfish's name of a RAID level, and the minimum number of drives."""

    raid_type: str
    min_drives: int


RAID_LEVELS: Mapping[str, RAIDLevel] = {
    "JBOD": RAIDLevel("None", 1),
    "0": RAIDLevel("RAID0", 1),
    "1": RAIDLevel("RAID1", 2),
    "5": RAIDLevel("RAID5", 3),
    "6": RAIDLevel("RAID6", 4),
    "1+0": RAIDLevel("RAID10", 4),
    "5+0": RAIDLevel("RAID50", 6),
    "6+0": RAIDLevel("RAID60", 8),
}
"""RAID levels of the Bare Metal API that Redfish can express. It has no name for level 2."""


class Creation(NamedTuple):
    """A request that creates a volume: the path of the collection, and the body."""

    collection: str
    body: dict[str, Any]


@dataclass
class SharedDrives:
    """Drives whose logical disks may share them. *free* is the number of bytes that are free on each of them."""

    drives: tuple[Drive, ...]
    raid_type: str
    free: int


class _Allocator:
    """The free drives of one controller while a plan is made."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self._free = [drive for drive in controller.drives if drive.path not in controller.used_drives]
        self._shared: list[SharedDrives] = []

    def copy(self) -> _Allocator:
        """Return an independent copy, for a trial."""
        other = _Allocator(self.controller)
        other._free = list(self._free)
        other._shared = [replace(shared) for shared in self._shared]
        return other

    def allocate(self, where: str, disk: Mapping[str, Any], level: RAIDLevel) -> tuple[Drive, ...]:
        """Return the drives for *disk*, which then are in use. Raises InvalidInput if no drives satisfy it."""
        types = self.controller.raid_types
        if types and level.raid_type not in types:
            can = "the controller supports " + ", ".join(sorted(types))
            raise InvalidInput([Problem(f"{where}/raid_level", f"{disk['raid_level']} is not supported", can)])
        named = disk.get("physical_disks")
        count = len(named) if named else disk.get("number_of_physical_disks") or level.min_drives
        size = 0 if disk["size_gb"] == "MAX" else _compute_drive_share(disk["size_gb"] * GIB, level, count)
        is_shared = bool(disk.get("share_physical_disks"))
        if is_shared:
            for shared in self._shared:
                fits = shared.raid_type == level.raid_type and shared.free >= max(size, 1) and len(shared.drives) == count
                if fits and all(_is_wanted(drive, disk) for drive in shared.drives):
                    shared.free -= size or shared.free
                    return shared.drives
        chosen = self._choose(where, disk, size, count)
        self._free = [drive for drive in self._free if drive not in chosen]
        if is_shared:
            smallest = min(drive.size for drive in chosen)
            self._shared.append(SharedDrives(chosen, level.raid_type, smallest - (size or smallest)))
        return chosen

    def _choose(self, where: str, disk: Mapping[str, Any], size: int, count: int) -> tuple[Drive, ...]:
        """Return *count* free drives that satisfy *disk* and hold *size* bytes each: the named ones, or the smallest."""
        wanted = list(self._free)
        if disk.get("physical_disks"):
            wanted = self._find_named(where, disk["physical_disks"])
        for name, read in _CRITERIA.items():
            if name not in disk:
                continue
            matching = [drive for drive in wanted if read(drive) == disk[name]]
            if len(matching) < count:
                needed = f"{count} drives of this kind are needed; free are {_describe_drives(wanted)}"
                raise InvalidInput([Problem(f"{where}/{name}", f"{disk[name]!r} is not satisfied", needed)])
            wanted = matching
        fitting = sorted((drive for drive in wanted if drive.size >= size), key=lambda drive: (drive.size, drive.path))
        if len(fitting) < count:
            allowed = f"{count} drives of sufficient size are needed, and {len(fitting)} are free: {_describe_drives(wanted)}"
            raise InvalidInput([Problem(where, "not enough drives", allowed)])
        return tuple(wanted) if disk.get("physical_disks") else tuple(fitting[:count])

    def _find_named(self, where: str, names: Sequence[str]) -> list[Drive]:
        by_name = {name: drive for drive in self._free for name in drive.names}
        missing = [name for name in names if name not in by_name]
        if missing:
            allowed = f"free are {_describe_drives(self._free)}"
            raise InvalidInput([Problem(f"{where}/physical_disks", f"{', '.join(missing)} are not available", allowed)])
        repeated = [name for name in names if len({drive.path for drive in self._free if name in drive.names}) > 1]
        if repeated:
            allowed = "several drives have this name; the free drives are " + _describe_drives(self._free)
            raise InvalidInput([Problem(f"{where}/physical_disks", f"{', '.join(repeated)} is ambiguous", allowed)])
        drives = [by_name[name] for name in names]
        if len({drive.path for drive in drives}) < len(drives):
            raise InvalidInput([Problem(f"{where}/physical_disks", f"{', '.join(names)} repeat a drive", "name each drive once")])
        return drives


_CRITERIA: Mapping[str, Callable[[Drive], str | None]] = {
    "disk_type": lambda drive: drive.disk_type,
    "interface_type": lambda drive: drive.interface_type,
}
"""Property of a logical disk -> the value of a drive that has to equal it."""


def _is_wanted(drive: Drive, disk: Mapping[str, Any]) -> bool:
    """Return whether *drive* satisfies the type, the interface and the identifiers in *disk*."""
    named = disk.get("physical_disks")
    if named and not any(name in drive.names for name in named):
        return False
    return all(name not in disk or read(drive) == disk[name] for name, read in _CRITERIA.items())


def plan_volumes(disks: Sequence[Mapping[str, Any]], controllers: Sequence[Controller]) -> list[Creation]:
    """Return the requests that create *disks*, in the same order.

    A disk is created on the controller that it names, or else on the only one that satisfies it. Raises InvalidInput with
    the value that no controller satisfies and with what the controllers have, or with the controllers if several satisfy it.
    """
    allocators = [_Allocator(controller) for controller in controllers]
    return [_plan_volume(f"logical_disks/{index}", disk, allocators) for index, disk in enumerate(disks)]


def _plan_volume(where: str, disk: Mapping[str, Any], allocators: Sequence[_Allocator]) -> Creation:
    level = RAID_LEVELS[disk["raid_level"]]
    candidates = _select_controllers(where, disk, allocators)
    problems: list[Problem] = []
    fitting = []
    for allocator in candidates:
        try:
            drives = allocator.copy().allocate(where, disk, level)
        except InvalidInput as exc:
            prefix = f"controller {allocator.controller.label}: " if len(candidates) > 1 else ""
            problems += [problem._replace(allowed=f"{prefix}{problem.allowed}") for problem in exc.problems]
        else:
            fitting.append((allocator, drives))
    if not fitting:
        raise InvalidInput(problems)
    if len(fitting) > 1:
        found = "; ".join(f"{allocator.controller.label} with {_describe_drives(drives)}" for allocator, drives in fitting)
        raise InvalidInput([Problem(f"{where}/controller", "is needed, because several controllers satisfy the disk", found)])
    controller = fitting[0][0].controller
    return Creation(controller.collection, _build_body(disk, level, fitting[0][0].allocate(where, disk, level), controller))


def _select_controllers(where: str, disk: Mapping[str, Any], allocators: Sequence[_Allocator]) -> Sequence[_Allocator]:
    """Return the allocators of the controller that *disk* names, or all. Raises InvalidInput for an unknown controller."""
    name = disk.get("controller")
    if name is None:
        return allocators
    found = [allocator for allocator in allocators if name in allocator.controller.names]
    if not found:
        has = "the machine has " + ", ".join(allocator.controller.label for allocator in allocators)
        raise InvalidInput([Problem(f"{where}/controller", f"{name!r} is not a RAID controller of this machine", has)])
    return found


def _describe_drives(drives: Sequence[Drive]) -> str:
    if not drives:
        return "no drives"
    more = f", and {len(drives) - _MAX_NAMED_DRIVES} more" if len(drives) > _MAX_NAMED_DRIVES else ""
    return ", ".join(map(_describe_drive, sorted(drives, key=lambda drive: drive.path)[:_MAX_NAMED_DRIVES])) + more


def _describe_drive(drive: Drive) -> str:
    kind = f"{drive.disk_type or 'unknown type'}, {drive.interface_type or 'unknown interface'}"
    return f"{drive.label} ({kind}, {drive.size // GIB} GiB)"


def _compute_drive_share(size: int, level: RAIDLevel, count: int) -> int:
    """Return the bytes that each of *count* drives must hold for a logical disk of *size* bytes of this RAID level."""
    data_drives = {
        "None": count,
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


def _build_body(disk: Mapping[str, Any], level: RAIDLevel, drives: Sequence[Drive], controller: Controller) -> dict[str, Any]:
    links = [{"@odata.id": drive.path} for drive in drives]
    body: dict[str, Any] = {"RAIDType": level.raid_type, "Links": {"Drives": links}}
    if disk["size_gb"] != "MAX":
        body["CapacityBytes"] = disk["size_gb"] * GIB
    if disk.get("volume_name"):
        body["Name"] = disk["volume_name"]
    if controller.apply_time is not None:
        body["@Redfish.OperationApplyTime"] = controller.apply_time
    return body


def find_drive_problems(field: str, disk: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the number and the identifiers of drives of *disk*, a logical disk with a valid level.

    *field* is its path in the error. Values of a wrong type are skipped.
    """
    level, named = disk["raid_level"], disk.get("physical_disks")
    count = disk.get("number_of_physical_disks")
    if isinstance(named, list | tuple) and any(isinstance(item, Mapping) for item in named):
        allowed = "give identifiers of drives; hints select drives for software RAID only"
        yield Problem(f"{field}/physical_disks", f"{named!r} is not supported", allowed)
        return
    minimum = RAID_LEVELS[level].min_drives
    needs = f"level {level} needs {minimum} or more"
    if isinstance(named, list | tuple) and named:
        if len(named) < minimum:
            yield Problem(f"{field}/physical_disks", f"{len(named)} drives are too few", needs)
        if isinstance(count, int) and count != len(named):
            allowed = f"physical_disks names {len(named)}"
            yield Problem(f"{field}/number_of_physical_disks", f"{count!r} is not the number of named drives", allowed)
    elif isinstance(count, int) and count < minimum:
        yield Problem(f"{field}/number_of_physical_disks", f"{count!r} drives are too few", needs)
