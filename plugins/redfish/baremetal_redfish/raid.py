"""RAID interface for Redfish: creates and deletes the volumes of the RAID controllers, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import Argument, DriverError, Kind, Phase, Problem, RAIDInterface, Step, Task, Wait, step
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.raid_controllers import read_controllers
from baremetal_redfish.raid_plan import RAID_LEVELS, Creation, find_drive_problems, plan_volumes
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.task_monitor import get_monitor, get_poll_interval, poll_monitor

_ARGUMENTS = {
    "create_root_volume": Argument("Whether to create the root volume; true by default."),
    "create_nonroot_volumes": Argument("Whether to create the other volumes; true by default."),
    "delete_existing": Argument("Whether to delete the existing volumes first; false by default."),
}


@dataclass(frozen=True)
class VolumeLimits:
    """Time limits of RAID changes: *raid_task_timeout* is the time to create or delete one volume, in seconds."""

    raid_task_timeout: float = 1800.0


class RedfishRAID(RAIDInterface):
    """Creates the logical disks of ``target_raid_config`` as volumes of the machine's RAID controllers."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = VolumeLimits
    options: VolumeLimits

    raid_levels = tuple(RAID_LEVELS)

    def find_logical_disk_problems(self, field: str, disk: Mapping[str, Any]) -> Iterable[Problem]:
        """Return the problems of the drives of *disk* that are found without the controller."""
        return find_drive_problems(field, disk)

    @step(phase=Phase.CLEAN, arguments=_ARGUMENTS)
    @step(phase=Phase.DEPLOY, arguments=_ARGUMENTS)
    @step(phase=Phase.SERVICE, arguments=_ARGUMENTS)
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Delete the existing volumes with *delete_existing*, then create the selected logical disks of the node's target.

        Return None if all are complete, or a Wait for polls that continue. Raises InvalidInput before the first deletion if the
        target cannot be created.
        """
        target = task.node.target_raid_config
        self.validate_raid_config(task, target)
        creations = [
            dict(disk)
            for disk in target["logical_disks"]
            if (create_root_volume if disk.get("is_root_volume") else create_nonroot_volumes)
        ]
        with borrow_session(task) as session:
            controllers = read_controllers(session, task.info(Kind.RAID).system_path)
            deletions: list[str] = []
            if delete_existing:
                deletions = [path for controller in controllers for path in controller.raid_volumes]
                controllers = [controller.without_raid_volumes() for controller in controllers]
            # Plan everything before the first deletion. A target that cannot be created must not cost the existing volumes.
            # The requests are kept and not planned again: later disks may share the drives of earlier ones.
            return self._continue(session, task, {"delete": deletions, "post": plan_volumes(creations, controllers)})

    @step(phase=Phase.CLEAN)
    @step(phase=Phase.DEPLOY)
    @step(phase=Phase.SERVICE)
    def delete_configuration(self, task: Task) -> Wait | None:
        """Delete the RAID volumes of all RAID controllers. Return None if all are deleted, or a Wait for polls."""
        with borrow_session(task) as session:
            controllers = read_controllers(session, task.info(Kind.RAID).system_path)
            deletions = [path for controller in controllers for path in controller.raid_volumes]
            return self._continue(session, task, {"delete": deletions, "post": []})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Poll the current volume, and continue with the next one when it is done. Return None after the last one, else a Wait.

        Raises DriverError if the volume is not done within ``raid_task_timeout``.
        """
        with borrow_session(task) as session:
            progress = poll_monitor(session, str(state["monitor"]))
            if progress.is_done:
                return self._continue(session, task, state)
            if steady_time() > float(state.get("until", 0.0)):
                raise DriverError(f"the BMC did not create or delete a RAID volume within {self.options.raid_task_timeout:g} s")
            return Wait(poll_after=progress.poll_after, state=dict(state))

    def _continue(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> Wait | None:
        """Delete and create volumes until all are done, or until the service continues one in the background."""
        deletions = list(state["delete"])
        if "post" in state:
            creations = [Creation(*creation) for creation in state["post"]]
        else:
            # A step that an earlier release started keeps its logical disks and plans them after each volume.
            creations = plan_volumes(state["create"], read_controllers(session, task.info(Kind.RAID).system_path))
        while deletions or creations:
            if deletions:
                response = session.transport.delete(deletions.pop(0))
            else:
                collection, body = creations.pop(0)
                with translate_refusal("logical_disks", body["RAIDType"]):
                    response = session.transport.post(collection, body)
            monitor = get_monitor(response)
            if monitor is not None:
                until = steady_time() + self.options.raid_task_timeout
                left = {
                    "delete": deletions,
                    "post": [list(creation) for creation in creations],
                    "monitor": monitor,
                    "until": until,
                }
                return Wait(poll_after=get_poll_interval(response), state=left)
        return None
