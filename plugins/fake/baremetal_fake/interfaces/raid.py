"""RAID of simulated machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Argument, InvalidInput, Phase, RAIDInterface, Task, find_raid_problems, step

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
        problems = find_raid_problems(raid_config, levels=LEVELS, properties=_PROPERTIES)
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
