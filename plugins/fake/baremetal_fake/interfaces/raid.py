"""RAID of simulated machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Argument, InvalidInput, Phase, Problem, RAIDInterface, Task, step

LEVELS = ("JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0")
"""The RAID levels of the Bare Metal API."""

_PROPERTIES = {
    "size_gb": 'Size in GiB, or "MAX" for all that is left. Required.',
    "raid_level": "RAID level: one of " + ", ".join(LEVELS) + ". Required.",
    "is_root_volume": "Whether the machine boots from it; one at the most.",
    "volume_name": "Name of the logical disk.",
}
_ARGUMENTS = {
    "create_root_volume": Argument("Whether to make the root volume; true by default."),
    "create_nonroot_volumes": Argument("Whether to make the other volumes; true by default."),
    "delete_existing": Argument("Whether to delete what there is beforehand; false by default."),
}


class FakeRAID(MachineAccess, RAIDInterface):
    """Remembers logical disks."""

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """What can be said of a logical disk."""
        return dict(_PROPERTIES)

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise InvalidInput with everything that is wrong."""
        problems = _problems(raid_config)
        if problems:
            raise InvalidInput(problems)

    @step(phase=Phase.CLEAN, arguments=_ARGUMENTS)
    @step(phase=Phase.DEPLOY, arguments=_ARGUMENTS)
    @step(phase=Phase.SERVICE, arguments=_ARGUMENTS)
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> None:
        """Make the logical disks of the node's target."""
        target = task.node.target_raid_config
        self.validate_raid_config(task, target)
        wanted = [
            dict(disk)
            for disk in target["logical_disks"]
            if (create_root_volume if disk.get("is_root_volume") else create_nonroot_volumes)
        ]
        with self.bmc(task) as bmc:
            kept = () if delete_existing else bmc.machine.raid
            bmc.write("create_raid", lambda: bmc.machine.set_raid((*kept, *wanted)), logical_disks=wanted)

    @step(phase=Phase.CLEAN, resumable=True)
    @step(phase=Phase.DEPLOY, resumable=True)
    @step(phase=Phase.SERVICE, resumable=True)
    def delete_configuration(self, task: Task) -> None:
        """Delete all logical disks."""
        with self.bmc(task) as bmc:
            bmc.write("delete_raid", lambda: bmc.machine.set_raid(()))


def _problems(config: Mapping[str, Any]) -> list[Problem]:
    disks = config.get("logical_disks")
    if not isinstance(disks, list | tuple) or not disks:
        return [Problem("target_raid_config/logical_disks", f"{disks!r} is not valid", "a list of at least one logical disk")]
    problems = [problem for index, disk in enumerate(disks) for problem in _problems_of(f"logical_disks/{index}", disk)]
    if not problems and sum(bool(disk.get("is_root_volume")) for disk in disks) > 1:
        problems.append(Problem("logical_disks", "more than one is a root volume", "one at the most"))
    return problems


def _problems_of(where: str, disk: Any) -> list[Problem]:
    if not isinstance(disk, Mapping):
        return [Problem(where, f"{disk!r} is not a logical disk", "it has to be an object")]
    known = "known are " + ", ".join(_PROPERTIES)
    problems = [Problem(f"{where}/{name}", "is not known", known) for name in disk if name not in _PROPERTIES]
    size, level = disk.get("size_gb"), disk.get("raid_level")
    if size != "MAX" and (isinstance(size, bool) or not isinstance(size, int) or size <= 0):
        problems.append(Problem(f"{where}/size_gb", f"{size!r} is not valid", 'an integer above 0, or "MAX"'))
    if level not in LEVELS:
        problems.append(Problem(f"{where}/raid_level", f"{level!r} is not valid", "one of " + ", ".join(LEVELS)))
    return problems
