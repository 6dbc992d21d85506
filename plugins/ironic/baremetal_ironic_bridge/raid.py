"""Adapter that offers a plugin's RAID interface to Ironic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ironic.common import raid
from ironic.drivers import base

from baremetal_interfaces import Step
from baremetal_ironic_bridge.adapter import Adapter


class RAIDAdapter(Adapter, base.RAIDInterface):
    """Offers a plugin's RAID interface to Ironic. The result of a step is stored in the node's ``raid_config``."""

    def validate(self, task: Any) -> None:
        """Check ``driver_info`` and, if the node has one, its ``target_raid_config``."""
        super().validate(task)
        if task.node.target_raid_config:
            self.validate_raid_config(task, task.node.target_raid_config)

    def validate_raid_config(self, task: Any, raid_config: Mapping[str, Any]) -> None:
        """Check *raid_config* through the plugin. The error names all problems."""
        self.call(task, "validate_raid_config", raid_config)

    def get_logical_disk_properties(self) -> dict[str, str]:
        """Return the properties that a logical disk can have: name -> description."""
        return dict(self._interface.get_logical_disk_properties())  # type: ignore[attr-defined]

    def create_configuration(self, task: Any, *given: Any, **named: Any) -> Any:
        """Call the plugin's step ``create_configuration``, which creates logical disks, and return its result."""
        return self.call(task, "create_configuration", *given, **named)

    def delete_configuration(self, task: Any) -> Any:
        """Call the plugin's step ``delete_configuration``, which deletes all logical disks, and return its result."""
        return self.call(task, "delete_configuration")

    def store_step_result(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Store the logical disks in ``raid_config``: after a creation the new ones are added, after a deletion it is empty."""
        node = task.node
        if step.method == "delete_configuration":
            node.raid_config = {}
            node.save()
        elif step.method == "create_configuration":
            kept = [] if arguments.get("delete_existing") else (node.raid_config or {}).get("logical_disks", [])
            made = [disk for disk in (node.target_raid_config or {}).get("logical_disks", []) if _is_created(disk, arguments)]
            raid.update_raid_info(node, {"logical_disks": [*kept, *made]})


def _is_created(disk: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    which = "create_root_volume" if disk.get("is_root_volume") else "create_nonroot_volumes"
    return bool(arguments.get(which, True))
