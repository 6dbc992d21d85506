"""The RAID interface: logical disks of a machine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.errors import Problem
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class RAIDInterface(Interface):
    """Creates and deletes logical disks. The methods that change disks are also declared as clean, deploy or service steps."""

    kind = Kind.RAID

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """Return the properties that a logical disk can have: name -> description. Clients read them through the API."""
        return {}

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` with all problems of *raid_config*.

        *raid_config* has the form of the node's ``target_raid_config``: ``{"logical_disks": [{"size_gb": 100, "raid_level":
        "1", ...}, ...]}``. The default accepts everything; :func:`find_raid_problems` does the common checks. A client waits
        for the result, so the method sends nothing to the BMC.
        """

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

    Each logical disk needs ``size_gb`` (an integer above 0, in GiB, or ``"MAX"``) and a ``raid_level`` out of *levels*. A name
    that is not in *properties* is a problem. No more than one disk may be the root volume. *check_disk* adds checks of the
    driver: it gets the field name and the disk, and is called only for disks that have a valid level. New in contract 1.2.
    """
    disks = raid_config.get("logical_disks")
    if not isinstance(disks, list | tuple) or not disks:
        return [Problem("target_raid_config/logical_disks", f"{disks!r} is not valid", "a list of at least one logical disk")]
    problems: list[Problem] = []
    for index, disk in enumerate(disks):
        field = f"logical_disks/{index}"
        found = _find_disk_problems(field, disk, levels, properties)
        has_level = not any(problem.field in (field, f"{field}/raid_level") for problem in found)
        problems += found
        if has_level and check_disk is not None:
            problems += check_disk(field, disk)
    if not problems and sum(bool(disk.get("is_root_volume")) for disk in disks) > 1:
        problems.append(Problem("logical_disks", "several are root volumes", "only one may be the root volume"))
    return problems


def _find_disk_problems(field: str, disk: Any, levels: Collection[str], properties: Collection[str]) -> list[Problem]:
    if not isinstance(disk, Mapping):
        return [Problem(field, f"{disk!r} is not a logical disk", "it has to be an object")]
    allowed = "the properties are " + ", ".join(properties)
    problems = [Problem(f"{field}/{name}", "is not known", allowed) for name in disk if name not in properties]
    size, level = disk.get("size_gb"), disk.get("raid_level")
    if size != "MAX" and (isinstance(size, bool) or not isinstance(size, int) or size <= 0):
        problems.append(Problem(f"{field}/size_gb", f"{size!r} is not valid", 'an integer above 0, or "MAX"'))
    if not isinstance(level, str) or level not in levels:
        problems.append(Problem(f"{field}/raid_level", f"{level!r} is not valid", "one of " + ", ".join(levels)))
    return problems
