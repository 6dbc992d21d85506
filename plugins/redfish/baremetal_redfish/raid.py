"""RAID interface for Redfish: creates and deletes the volumes of a storage controller, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import (
    Argument,
    DriverError,
    InvalidInput,
    Kind,
    NotSupported,
    Phase,
    RAIDInterface,
    Step,
    Task,
    Wait,
    find_raid_problems,
    step,
)
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_objects, get_path, iterate_members
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.raid_plan import PROPERTIES, RAID_LEVELS, Controller, check_drives, plan_volumes
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
    """Creates the logical disks of ``target_raid_config`` as volumes of the first controller that supports RAID."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = VolumeLimits
    options: VolumeLimits

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """Return the properties that a logical disk can have: name -> description."""
        return dict(PROPERTIES)

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise InvalidInput with all problems of *raid_config* that are found without the controller."""
        problems = find_raid_problems(raid_config, levels=RAID_LEVELS, properties=PROPERTIES, check_disk=check_drives)
        if problems:
            raise InvalidInput(problems)

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
            controller = self._find_controller(session, task)
            deletions = list(controller.volumes) if delete_existing else []
            # Plan everything before the first deletion. A target that cannot be created must not cost the existing volumes.
            plan_volumes(creations, controller.without_volumes() if delete_existing else controller)
            return self._continue(session, task, {"delete": deletions, "create": creations})

    @step(phase=Phase.CLEAN)
    @step(phase=Phase.DEPLOY)
    @step(phase=Phase.SERVICE)
    def delete_configuration(self, task: Task) -> Wait | None:
        """Delete all volumes of the first controller that supports RAID. Return None if all are deleted, or a Wait for polls."""
        with borrow_session(task) as session:
            return self._continue(session, task, {"delete": list(self._find_controller(session, task).volumes), "create": []})

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
        deletions, creations = list(state["delete"]), list(state["create"])
        while deletions or creations:
            if deletions:
                response = session.transport.delete(deletions.pop(0))
            else:
                controller = self._find_controller(session, task)
                body = plan_volumes(creations, controller)[0]
                creations.pop(0)
                with translate_refusal("logical_disks", body["RAIDType"]):
                    response = session.transport.post(controller.collection, body)
            monitor = get_monitor(response)
            if monitor is not None:
                until = steady_time() + self.options.raid_task_timeout
                left = {"delete": deletions, "create": creations, "monitor": monitor, "until": until}
                return Wait(poll_after=get_poll_interval(response), state=left)
        return None

    def _find_controller(self, session: RedfishSession, task: Task) -> Controller:
        """Return the first storage of the system that has volumes and supports RAID, or reports no RAID types.

        Raises NotSupported if the system has no such storage.
        """
        system = session.read_document(task.info(Kind.RAID).system_path)
        for storage in iterate_members(session, system.get("Storage")):
            collection = get_path(storage.get("Volumes"))
            controllers = get_objects(storage.get("StorageControllers"))
            if not controllers:
                controllers = list(iterate_members(session, storage.get("Controllers")))
            types = {kind for controller in controllers for kind in controller.get("SupportedRAIDTypes") or ()}
            is_silent = not any("SupportedRAIDTypes" in controller for controller in controllers)
            if collection is None or not (types or is_silent):
                continue
            drives = (follow(session, reference) for reference in get_objects(storage.get("Drives")))
            volumes = {get_path(volume): volume for volume in iterate_members(session, storage["Volumes"])}
            used = {
                get_path(drive) for volume in volumes.values() for drive in get_objects(get_nested(volume, "Links", "Drives"))
            }
            sizes = {get_path(drive): drive.get("CapacityBytes") for drive in drives if drive is not None}
            whole = {path: size for path, size in sizes.items() if path and isinstance(size, int)}
            paths = tuple(path for path in volumes if path)
            return Controller(
                collection=collection,
                raid_types=frozenset(types),
                drives=whole,
                used_drives=frozenset(path for path in used if path),
                volumes=paths,
            )
        raise NotSupported("the BMC offers no storage controller with volumes for this system")
