"""RPC methods for the target RAID configuration of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from baremetal_interfaces import Kind, NotFound, RAIDInterface
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.task_manager import TaskManager


class RAID:
    """RPC service that stores target RAID configurations. A step of the driver creates the disks later."""

    def __init__(self, tasks: TaskManager, drivers: DriverCatalog) -> None:
        self._tasks = tasks
        self._drivers = drivers

    @rpc_method("1.0")
    def set_target_raid_config(self, node: str, target_raid_config: Mapping[str, Any]) -> None:
        """Store the RAID configuration that the next step ``raid.create_configuration`` creates.

        The node's driver validates it first. An empty configuration removes the target.
        """
        with self._tasks.acquire(node, purpose="setting the RAID configuration") as task:
            if target_raid_config:
                task.call(Kind.RAID, "validate_raid_config", target_raid_config)
            task.finish(target_raid_config=dict(target_raid_config))

    @rpc_method("1.0")
    def get_raid_logical_disk_properties(self, driver: str) -> dict[str, str]:
        """Return the properties of logical disks (name -> help) of the default RAID interface of hardware type *driver*.

        Raises ``NotFound`` if that interface creates no logical disks.
        """
        name = self._drivers.default_interface(driver, Kind.RAID)
        interface = None if name is None else cast(RAIDInterface, self._drivers.get_interface(Kind.RAID, name))
        properties = {} if interface is None else dict(interface.get_logical_disk_properties())
        if not properties:
            offered = ", ".join(self._drivers.list_interfaces(driver, Kind.RAID)) or "none"
            raise NotFound(
                f"the default RAID interface {name!r} of hardware type {driver!r} creates no logical disks; it offers {offered}"
            )
        return properties
