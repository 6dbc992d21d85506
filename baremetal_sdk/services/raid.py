"""The RAID configuration that a node is to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from baremetal_interfaces import Kind, NotFound, RAIDInterface
from baremetal_sdk.drivers.catalog import Drivers
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.task_manager import TaskManager


class RAID:
    """Wanted configurations, checked by the node's driver before they are stored; a step brings them about."""

    def __init__(self, tasks: TaskManager, drivers: Drivers) -> None:
        self._tasks = tasks
        self._drivers = drivers

    @rpc_method("1.0")
    def set_target_raid_config(self, node: str, target_raid_config: Mapping[str, Any]) -> None:
        """Store what the next ``raid.create_configuration`` makes; an empty configuration takes it back."""
        with self._tasks.acquire(node, purpose="setting the RAID configuration") as task:
            if target_raid_config:
                task.call(Kind.RAID, "validate_raid_config", target_raid_config)
            task.finish(target_raid_config=dict(target_raid_config))

    @rpc_method("1.0")
    def get_raid_logical_disk_properties(self, driver: str) -> dict[str, str]:
        """What can be said of a logical disk, for nodes of hardware type *driver* that name no RAID interface."""
        name = self._drivers.default(driver, Kind.RAID)
        interface = None if name is None else cast(RAIDInterface, self._drivers.interface(Kind.RAID, name))
        found = {} if interface is None else dict(interface.get_logical_disk_properties())
        if not found:
            offered = ", ".join(self._drivers.offered(driver, Kind.RAID)) or "none"
            raise NotFound(
                f"hardware type {driver!r} has {name!r} for a RAID interface, which makes no logical disks; it offers {offered}"
            )
        return found
