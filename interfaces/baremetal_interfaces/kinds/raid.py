"""The RAID interface: logical disks of a machine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from baremetal_interfaces.errors import InvalidInput, Problem
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task

RAID_LEVELS: Final[tuple[str, ...]] = ("JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0")
"""The RAID levels of the Bare Metal API. New in contract 1.4."""

LOGICAL_DISK_PROPERTIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "raid_level": "RAID level: one of " + ", ".join(RAID_LEVELS) + ". Required.",
        "size_gb": 'Size in GiB, an integer above 0, or "MAX" for the remaining space of the drives. Required.',
        "volume_name": "Name of the logical disk; by default the controller chooses one.",
        "is_root_volume": "Whether the machine boots from the logical disk; false by default. Only one may be the root volume.",
        "share_physical_disks": "Whether other logical disks may use the same drives; false by default.",
        "disk_type": "Type of the drives: hdd or ssd. By default the type is no criterion.",
        "interface_type": "Interface of the drives: sata, scsi or sas. By default the interface is no criterion.",
        "number_of_physical_disks": "Number of drives, an integer above 0; by default the minimum of the RAID level.",
        "controller": "Name of the RAID controller; by default the driver selects one.",
        "physical_disks": "Drives of the logical disk: a list of identifiers, or of two or more objects with hints. It needs "
        "controller. By default the driver selects the drives.",
    }
)
"""The properties that a logical disk of the Bare Metal API can have: name -> description. New in contract 1.4."""


class RAIDInterface(Interface):
    """Creates and deletes logical disks. The methods that change disks are also declared as clean, deploy or service steps."""

    kind = Kind.RAID

    raid_levels: ClassVar[tuple[str, ...]] = RAID_LEVELS
    """The RAID levels that the driver can create. New in contract 1.4."""

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """Return the properties that a logical disk can have: name -> description. Clients read them through the API.

        The default is :data:`LOGICAL_DISK_PROPERTIES`. Before contract 1.4 it was empty.
        """
        return LOGICAL_DISK_PROPERTIES

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` with all problems of *raid_config*.

        *raid_config* has the form of the node's ``target_raid_config``: ``{"logical_disks": [{"size_gb": 100, "raid_level":
        "1", ...}, ...]}``. The default calls :func:`find_raid_problems` with the levels, the properties and the checks of this
        interface. Before contract 1.4 it accepted everything. A client waits for the result, so the method sends nothing to
        the BMC.
        """
        problems = find_raid_problems(
            raid_config,
            levels=self.raid_levels,
            properties=self.get_logical_disk_properties() or LOGICAL_DISK_PROPERTIES,
            check_disk=self.find_logical_disk_problems,
        )
        if problems:
            raise InvalidInput(problems)

    def find_logical_disk_problems(self, field: str, disk: Mapping[str, Any]) -> Iterable[Problem]:
        """Return the values of *disk* that the driver can never satisfy, such as too few drives for a level.

        *field* is the path of the disk in the error. The disk has a level out of :attr:`raid_levels`; its other values may be
        invalid, and then have a problem already. By default there are no such values. New in contract 1.4.
        """
        return ()

    @abstractmethod
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Create the logical disks of ``task.node.target_raid_config``.

        *create_root_volume* and *create_nonroot_volumes* select the disks with and without ``is_root_volume``. With
        *delete_existing* existing logical disks are deleted first. Return a ``Wait`` if the work continues in the background,
        None if it is complete.
        """

    @abstractmethod
    def delete_configuration(self, task: Task) -> Wait | None:
        """Delete all logical disks.

        Return a ``Wait`` if the work continues in the background, None if it is complete.
        """


def find_raid_problems(
    raid_config: Mapping[str, Any],
    *,
    levels: Collection[str],
    properties: Collection[str],
    check_disk: Callable[[str, Mapping[str, Any]], Iterable[Problem]] | None = None,
) -> list[Problem]:
    """Return all problems of a target RAID configuration that are found without its controller; empty if it is valid.

    Each logical disk needs ``size_gb`` and a ``raid_level`` out of *levels*, and its other values must be as
    :data:`LOGICAL_DISK_PROPERTIES` describes them. *properties* are the names that the driver supports. The value of another
    name of the Bare Metal API is refused as a value that the driver cannot satisfy, unless it is the default. Other names are
    refused as unknown. No more than one disk may be the root volume. *check_disk* adds checks of the driver: it gets the
    field name and the disk, and is called only for disks that have a valid level. New in contract 1.2.
    """
    disks = raid_config.get("logical_disks")
    if not isinstance(disks, list | tuple) or not disks:
        return [Problem("target_raid_config/logical_disks", f"{disks!r} is not valid", "a list of at least one logical disk")]
    problems = [
        Problem(f"target_raid_config/{name}", "is not known", "the only property is logical_disks")
        for name in raid_config
        if name != "logical_disks"
    ]
    for index, disk in enumerate(disks):
        field = f"logical_disks/{index}"
        found = list(_find_disk_problems(field, disk, levels, properties))
        has_level = not any(problem.field in (field, f"{field}/raid_level") for problem in found)
        problems += found
        if has_level and check_disk is not None:
            problems += check_disk(field, disk)
    if not problems and sum(bool(disk.get("is_root_volume")) for disk in disks) > 1:
        problems.append(Problem("logical_disks", "several are root volumes", "only one may be the root volume"))
    return problems


def _find_disk_problems(field: str, disk: Any, levels: Collection[str], properties: Collection[str]) -> Iterator[Problem]:
    if not isinstance(disk, Mapping):
        yield Problem(field, f"{disk!r} is not a logical disk", "it has to be an object")
        return
    for name, value in disk.items():
        if name in properties:
            continue
        if name not in LOGICAL_DISK_PROPERTIES:
            yield Problem(f"{field}/{name}", "is not known", "the properties are " + ", ".join(properties))
        elif value is not _DEFAULTS.get(name, _NO_DEFAULT):
            yield Problem(f"{field}/{name}", f"{value!r} is not supported", "the driver supports only " + ", ".join(properties))
    # The required properties are checked even if they are missing.
    for name, value in {"size_gb": None, "raid_level": None, **disk}.items():
        if name == "raid_level":
            if not isinstance(value, str) or value not in levels:
                yield Problem(f"{field}/{name}", f"{value!r} is not valid", "one of " + ", ".join(levels))
        elif name in _VALUE_RULES:
            is_valid, allowed = _VALUE_RULES[name]
            if not is_valid(value):
                yield Problem(f"{field}/{name}", f"{value!r} is not valid", allowed)
    if "physical_disks" in disk and "controller" not in disk:
        wrong = f"{disk['physical_disks']!r} needs a controller"
        yield Problem(f"{field}/physical_disks", wrong, "name the RAID controller of the drives in controller")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_drive_list(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    hints = all(isinstance(item, Mapping) for item in value) and len(value) >= 2
    return hints or all(isinstance(item, str) for item in value)


_NO_DEFAULT: Final = object()
_DEFAULTS: Final[Mapping[str, Any]] = {"is_root_volume": False, "share_physical_disks": False}
"""Property -> the value that asks for nothing."""

_VALUE_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "size_gb": (lambda value: value == "MAX" or _is_count(value), 'an integer above 0, or "MAX"'),
    "volume_name": (lambda value: isinstance(value, str), "a text"),
    "is_root_volume": (lambda value: isinstance(value, bool), "true or false"),
    "share_physical_disks": (lambda value: isinstance(value, bool), "true or false"),
    "disk_type": (lambda value: value in ("hdd", "ssd"), "one of hdd, ssd"),
    "interface_type": (lambda value: value in ("sata", "scsi", "sas"), "one of sata, scsi, sas"),
    "number_of_physical_disks": (_is_count, "an integer above 0"),
    "controller": (lambda value: isinstance(value, str), "a text"),
    "physical_disks": (_is_drive_list, "a list of identifiers, or of two or more objects"),
}
"""Property except ``raid_level`` -> the check of its value, and the description of the allowed values."""
