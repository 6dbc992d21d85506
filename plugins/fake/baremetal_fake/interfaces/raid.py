"""RAID interface of ``fake-hardware``, which records the logical disks of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Argument, Phase, RAIDInterface, Task, step

_ARGUMENTS = {
    "create_root_volume": Argument("Whether to create the root volume; default: true."),
    "create_nonroot_volumes": Argument("Whether to create the other volumes; default: true."),
    "delete_existing": Argument("Whether to delete the existing logical disks first; default: false."),
}


class FakeRAID(MachineAccess, RAIDInterface):
    """RAID interface ``fake``, which only records the logical disks of a simulated machine. It accepts each valid value."""

    @step(phase=Phase.CLEAN, arguments=_ARGUMENTS)
    @step(phase=Phase.DEPLOY, arguments=_ARGUMENTS)
    @step(phase=Phase.SERVICE, arguments=_ARGUMENTS)
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> None:
        """Create the logical disks of the node's ``target_raid_config``. The arguments select which disks are created or kept."""
        target = task.node.target_raid_config
        self.validate_raid_config(task, target)
        new_disks = [
            dict(disk)
            for disk in target["logical_disks"]
            if (create_root_volume if disk.get("is_root_volume") else create_nonroot_volumes)
        ]
        with self.bmc(task) as bmc:
            old_disks = () if delete_existing else bmc.machine.raid
            bmc.write("create_raid", lambda: bmc.machine.set_raid((*old_disks, *new_disks)), logical_disks=new_disks)

    @step(phase=Phase.CLEAN, resumable=True)
    @step(phase=Phase.DEPLOY, resumable=True)
    @step(phase=Phase.SERVICE, resumable=True)
    def delete_configuration(self, task: Task) -> None:
        """Delete all logical disks of the machine."""
        with self.bmc(task) as bmc:
            bmc.write("delete_raid", lambda: bmc.machine.set_raid(()))
