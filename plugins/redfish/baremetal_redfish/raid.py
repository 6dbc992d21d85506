"""RAID interface for Redfish: creates and deletes the volumes of the RAID controllers, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import Argument, Kind, Phase, Problem, RAIDInterface, Step, Task, Wait, step
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_objects, get_path
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.operation import (
    RETRY_INTERVAL_S,
    TRANSIENT_ERRORS,
    build_state,
    poll_operation,
    read_if_available,
    wait,
)
from baremetal_redfish.raid_controllers import choose_apply_time, read_controllers, read_raid_volume, read_raid_volumes
from baremetal_redfish.raid_plan import RAID_LEVELS, Creation, find_drive_problems, plan_volumes
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.task_monitor import get_poll_interval

LOG = logging.getLogger(__name__)
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
                deletions = read_raid_volumes(session, task.info(Kind.RAID).system_path)
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
            deletions = read_raid_volumes(session, task.info(Kind.RAID).system_path)
            return self._continue(session, task, {"delete": deletions, "post": []})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Poll the current volume, and continue with the next one when it is done. Return None after the last one, else a Wait.

        If the controller makes the change at a restart, restart the machine once per change. Raises DriverError if the volume
        is not done, or its state is unknown, after ``raid_task_timeout``.
        """
        try:
            with borrow_session(task) as session:
                if not state.get("done"):
                    unfinished = poll_operation(
                        session,
                        task,
                        state,
                        name=_describe(state),
                        system_path=task.info(Kind.RAID).system_path,
                        is_effective=lambda: _is_effective(session, state),
                    )
                    if unfinished is not None:
                        return unfinished
                return self._continue(session, task, state)
        except TRANSIENT_ERRORS as exc:
            return wait({**state, "missing": str(exc)}, RETRY_INTERVAL_S, name=_describe(state))

    def _continue(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> Wait | None:
        """Delete and create volumes until all are done, or until the service continues one in the background."""
        deletions = list(state["delete"])
        if "post" in state:
            creations = [Creation(*creation) for creation in state["post"]]
        else:
            # A step that an earlier release started keeps its logical disks and plans them after each volume.
            creations = plan_volumes(state["create"], read_controllers(session, task.info(Kind.RAID).system_path))
        while deletions or creations:
            change = _delete_volume(session, deletions.pop(0)) if deletions else _create_volume(session, creations.pop(0))
            if change is None:
                continue
            response, current = change
            started = build_state(response, self.options.raid_task_timeout)
            if response.status_code == 202 or started["monitor"] is not None or current.get("on_reset"):
                left = {"delete": deletions, "post": [list(creation) for creation in creations]}
                return Wait(poll_after=get_poll_interval(response), state={**left, **started, **current})
        return None


_Change = tuple[RedfishResponse, dict[str, Any]]
"""The response to a request, and the stored description of the change: the deleted volume, or the older volumes."""


def _delete_volume(session: RedfishSession, path: str) -> _Change | None:
    """Request the deletion of the volume at *path*. Return None if it no longer is a RAID volume.

    The plan may be older than the volume, and a service may number its volumes again after a deletion.
    """
    volume = read_raid_volume(session, path)
    if volume is None:
        LOG.warning("The volume %s is not deleted, because it is gone or is not a RAID volume", path)
        return None
    collection = read_if_available(lambda: follow(session, {"@odata.id": path.rstrip("/").rpartition("/")[0]}, large=True))
    apply_time = choose_apply_time(volume, collection)
    body = None if apply_time is None else {"@Redfish.OperationApplyTime": apply_time}
    with translate_refusal("logical_disks", f"the deletion of {path}"):
        response = session.transport.delete(path, body)
    return response, {"volume": path, "on_reset": apply_time == "OnReset"}


def _create_volume(session: RedfishSession, creation: Creation) -> _Change:
    collection, body = creation
    before = _list_volumes(session, collection)
    with translate_refusal("logical_disks", body["RAIDType"]):
        response = session.transport.post(collection, body)
    on_reset = body.get("@Redfish.OperationApplyTime") == "OnReset"
    return response, {"collection": collection, "before": before, "on_reset": on_reset}


def _list_volumes(session: RedfishSession, collection: str) -> list[str]:
    document = follow(session, {"@odata.id": collection}, large=True)
    paths = (get_path(member) for member in get_objects(get_nested(document, "Members")))
    return [path for path in paths if path]


def _is_effective(session: RedfishSession, state: Mapping[str, Any]) -> bool:
    """Return whether the volume of *state* is deleted or has been created, for a service that has no task for it."""
    if isinstance(state.get("volume"), str):
        return follow(session, {"@odata.id": state["volume"]}) is None
    if isinstance(state.get("collection"), str):
        return bool(set(_list_volumes(session, state["collection"])) - set(state.get("before", ())))
    # A step that an earlier release started has not stored what it changed.
    return False


def _describe(state: Mapping[str, Any]) -> str:
    if isinstance(state.get("volume"), str):
        return f"the deletion of the RAID volume {state['volume']}"
    return "the creation of a RAID volume" if "collection" in state else "the change of a RAID volume"
