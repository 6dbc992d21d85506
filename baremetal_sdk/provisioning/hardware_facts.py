"""What is found out about machines beside their power, and kept: BIOS settings, firmware, inventory, health, logical disks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, BIOSSetting, FirmwareComponent, HealthReport, Kind, NotSupported
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import BIOSSettingRecord, FirmwareComponentRecord, NodeInventoryRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks.node_task import NodeTask


class HardwareFacts:
    """Reads from drivers and stores, under the task's lease. What cannot be read is logged, and fails nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_all(self, task: NodeTask) -> dict[str, Any]:
        """See all there is to see, and give back what changes of the node itself."""
        self._quietly(task, self.read_bios)
        self._quietly(task, self.read_firmware)
        found: dict[str, Any] = {}
        self._quietly(task, lambda task: found.update(health=read_health(task)))
        return {name: value for name, value in found.items() if getattr(task.record, name) != value}

    def read_after_steps(self, task: NodeTask) -> dict[str, Any]:
        """See anew what the steps of a run that is over may have changed."""
        if any(steps.completed_steps(task.record, Kind.BIOS)):
            self._quietly(task, self.read_bios)
        if any(steps.completed_steps(task.record, Kind.FIRMWARE)):
            self._quietly(task, self.read_firmware)
        return _logical_disks_after(task)

    def read_bios(self, task: NodeTask) -> None:
        """Keep the BIOS settings as they are now."""
        node = task.record.uuid
        records = [_bios_record(node, setting) for setting in task.call(Kind.BIOS, "get_settings")]
        assert task.lease is not None
        self._store.replace_records(BIOSSettingRecord, node, records, fence=task.lease.fence)

    def read_firmware(self, task: NodeTask) -> None:
        """Keep the versions of firmware as they are now; the first one seen of each component stays known."""
        node = task.record.uuid
        found = task.call(Kind.FIRMWARE, "get_components")
        rows = self._store.records(FirmwareComponentRecord, Query(where={"node_uuid": node}))
        known: dict[str, Mapping[str, Any]] = {row["component"]: row for row in rows}
        records = [_firmware_record(node, component, known.get(component.component)) for component in found]
        assert task.lease is not None
        self._store.replace_records(FirmwareComponentRecord, node, records, fence=task.lease.fence)

    def store_inventory(self, task: NodeTask, inventory: Mapping[str, Any], plugin_data: Mapping[str, Any]) -> None:
        """Keep what an inspection found, in place of what the one before did."""
        node = task.record.uuid
        record = NodeInventoryRecord(str(uuid.uuid4()), node, inventory=inventory, plugin_data=plugin_data)
        assert task.lease is not None
        self._store.replace_records(NodeInventoryRecord, node, [record], fence=task.lease.fence)

    def _quietly(self, task: NodeTask, read: Callable[[NodeTask], None]) -> None:
        try:
            read(task)
        except LeaseLost:
            raise
        except NotSupported:
            pass
        except BareMetalError as exc:
            task.log.warning("not everything could be read: %s", exc)


def read_health(task: NodeTask) -> str | None:
    """What the BMC says of its machine; None where it does not."""
    if not isinstance(task.driver.management, HealthReport):
        return None
    health = task.call(Kind.MANAGEMENT, "get_node_health")
    return None if health is None else str(health)


def _bios_record(node: str, setting: BIOSSetting) -> BIOSSettingRecord:
    return BIOSSettingRecord(
        uuid=str(uuid.uuid4()),
        node_uuid=node,
        name=setting.name,
        value=setting.value,
        attribute_type=setting.attribute_type,
        allowable_values=setting.allowable_values,
        lower_bound=setting.lower_bound,
        upper_bound=setting.upper_bound,
        read_only=setting.read_only,
        reset_required=setting.reset_required,
    )


def _firmware_record(node: str, found: FirmwareComponent, known: Mapping[str, Any] | None) -> FirmwareComponentRecord:
    before = None if known is None else known["initial_version"]
    flashed = None if known is None else known["last_version_flashed"]
    return FirmwareComponentRecord(
        uuid=str(uuid.uuid4()),
        node_uuid=node,
        component=found.component,
        initial_version=before or found.initial_version or found.current_version or "unknown",
        current_version=found.current_version,
        last_version_flashed=found.last_version_flashed or flashed,
    )


def _logical_disks_after(task: NodeTask) -> dict[str, Any]:
    """The node's ``raid_config`` after the steps that made or deleted logical disks; no change without such steps."""
    disks: list[Any] | None = None
    for step in steps.completed_steps(task.record, Kind.RAID):
        before = task.record.raid_config.get("logical_disks", ()) if disks is None else disks
        if step["step"] == "delete_configuration":
            disks = []
        elif step["step"] == "create_configuration":
            kept = [] if step["args"].get("delete_existing") else list(before)
            disks = kept + [disk for disk in task.record.target_raid_config.get("logical_disks", ()) if _made(disk, step["args"])]
    if disks is None:
        return {}
    return {"raid_config": {"logical_disks": disks, "last_updated": task.clock.now().isoformat()} if disks else {}}


def _made(disk: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    which = "create_root_volume" if disk.get("is_root_volume") else "create_nonroot_volumes"
    return bool(arguments.get(which, True))
