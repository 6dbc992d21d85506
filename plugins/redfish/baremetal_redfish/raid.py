"""RAID: volumes of a storage controller, made and removed one after the other."""

from __future__ import annotations

import time
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
    step,
)
from baremetal_redfish.background import look, monitor_of, poll_after
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import below, follow, listed, members, path_of
from baremetal_redfish.machine import blaming, borrowed
from baremetal_redfish.raid_plan import PROPERTIES, Controller, planned, problems_of
from baremetal_redfish.session import RedfishSession

_ARGUMENTS = {
    "create_root_volume": Argument("Whether to make the root volume; true by default."),
    "create_nonroot_volumes": Argument("Whether to make the other volumes; true by default."),
    "delete_existing": Argument("Whether to delete what there is beforehand; false by default."),
}


@dataclass(frozen=True)
class VolumeLimits:
    """How long the service may take over one volume, in seconds."""

    raid_task_timeout: float = 1800.0


class RedfishRAID(RAIDInterface):
    """Makes the volumes of the node's target on the first controller that can."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = VolumeLimits
    options: VolumeLimits

    def get_logical_disk_properties(self) -> Mapping[str, str]:
        """What can be said of a logical disk."""
        return dict(PROPERTIES)

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Raise InvalidInput with everything that is wrong."""
        problems = problems_of(raid_config)
        if problems:
            raise InvalidInput(problems)

    @step(phase=Phase.CLEAN, arguments=_ARGUMENTS)
    @step(phase=Phase.DEPLOY, arguments=_ARGUMENTS)
    @step(phase=Phase.SERVICE, arguments=_ARGUMENTS)
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> Wait | None:
        """Delete what there is where that is asked for, then make the logical disks of the node's target."""
        target = task.node.target_raid_config
        self.validate_raid_config(task, target)
        wanted = [
            dict(disk)
            for disk in target["logical_disks"]
            if (create_root_volume if disk.get("is_root_volume") else create_nonroot_volumes)
        ]
        with borrowed(task) as session:
            controller = self._controller(session, task)
            doomed = list(controller.volumes) if delete_existing else []
            # All of it is planned before anything is deleted: what cannot be made must not cost what there is.
            planned(wanted, controller.without_volumes() if delete_existing else controller)
            return self._go_on(session, task, {"delete": doomed, "create": wanted})

    @step(phase=Phase.CLEAN)
    @step(phase=Phase.DEPLOY)
    @step(phase=Phase.SERVICE)
    def delete_configuration(self, task: Task) -> Wait | None:
        """Delete all volumes of the controller."""
        with borrowed(task) as session:
            return self._go_on(session, task, {"delete": list(self._controller(session, task).volumes), "create": []})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See how the volume at hand is getting on, and go on with the next."""
        with borrowed(task) as session:
            progress = look(session, str(state["monitor"]))
            if progress.over:
                return self._go_on(session, task, state)
            if time.time() > float(state.get("until", 0.0)):
                raise DriverError(f"the service is not done with a volume after {self.options.raid_task_timeout:g} s")
            return Wait(poll_after=progress.poll_after, state=dict(state))

    def _go_on(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> Wait | None:
        """Delete and make what is left, up to where the service goes on by itself."""
        doomed, wanted = list(state["delete"]), list(state["create"])
        while doomed or wanted:
            if doomed:
                answer = session.transport.delete(doomed.pop(0))
            else:
                controller = self._controller(session, task)
                body = planned(wanted, controller)[0]
                wanted.pop(0)
                with blaming("logical_disks", body["RAIDType"]):
                    answer = session.transport.post(controller.collection, body)
            monitor = monitor_of(answer)
            if monitor is not None:
                until = time.time() + self.options.raid_task_timeout
                left = {"delete": doomed, "create": wanted, "monitor": monitor, "until": until}
                return Wait(poll_after=poll_after(answer), state=left)
        return None

    def _controller(self, session: RedfishSession, task: Task) -> Controller:
        """The first storage of the system that has volumes and says that it does RAID, or does not say that it does none."""
        system = session.document(task.info(Kind.RAID).system_path)
        for storage in members(session, system.get("Storage")):
            collection = path_of(storage.get("Volumes"))
            own = listed(storage.get("StorageControllers")) or list(members(session, storage.get("Controllers")))
            types = {kind for one in own for kind in one.get("SupportedRAIDTypes") or ()}
            silent = not any("SupportedRAIDTypes" in one for one in own)
            if collection is None or not (types or silent):
                continue
            drives = (follow(session, one) for one in listed(storage.get("Drives")))
            volumes = {path_of(one): one for one in members(session, storage["Volumes"])}
            taken = {path_of(one) for volume in volumes.values() for one in listed(below(volume, "Links", "Drives"))}
            sizes = {path_of(one): one.get("CapacityBytes") for one in drives if one is not None}
            whole = {path: size for path, size in sizes.items() if path and isinstance(size, int)}
            paths = tuple(path for path in volumes if path)
            return Controller(collection, frozenset(types), whole, frozenset(path for path in taken if path), paths)
        raise NotSupported("the BMC offers no storage controller with volumes for this system")
