"""Facts about the hardware beside its power: BIOS settings, firmware, inventory, health and logical disks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from baremetal_interfaces import BareMetalError, BIOSSetting, FirmwareComponent, HealthReport, Kind, NotSupported
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import BIOSSettingRecord, FirmwareComponentRecord, NodeInventoryRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks.node_task import NodeTask


class HardwareFacts:
    """Reads facts from the drivers and stores them under the task's lease.

    Facts are additional information. A read that fails is logged and does not fail the work around it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_all(self, task: NodeTask) -> dict[str, Any]:
        """Read all facts. Store those that are separate records, and return the changes of the node's record."""
        with _log_errors(task):
            self.read_bios(task)
        with _log_errors(task):
            self.read_firmware(task)
        with _log_errors(task):
            health = read_health(task)
            if health != task.record.health:
                return {"health": health}
        return {}

    def read_after_steps(self, task: NodeTask) -> dict[str, Any]:
        """Read again the facts that the steps of the finished run may have changed. Return the changes of the record."""
        if any(steps.completed_steps(task.record, Kind.BIOS)):
            with _log_errors(task):
                self.read_bios(task)
        if any(steps.completed_steps(task.record, Kind.FIRMWARE)):
            with _log_errors(task):
                self.read_firmware(task)
        return _logical_disk_changes(task)

    def read_bios(self, task: NodeTask) -> None:
        """Read the BIOS settings and replace the stored ones."""
        node = task.record.uuid
        records = [_bios_record(node, setting) for setting in task.call(Kind.BIOS, "get_settings")]
        assert task.lease is not None
        self._store.replace_records(BIOSSettingRecord, node, records, fence=task.lease.fence)

    def read_firmware(self, task: NodeTask) -> None:
        """Read the firmware versions and replace the stored ones. The first version seen of a component is preserved."""
        node = task.record.uuid
        components = task.call(Kind.FIRMWARE, "get_components")
        rows = self._store.records(FirmwareComponentRecord, Query(where={"node_uuid": node}))
        stored: dict[str, Mapping[str, Any]] = {row["component"]: row for row in rows}
        records = [_firmware_record(node, component, stored.get(component.component)) for component in components]
        assert task.lease is not None
        self._store.replace_records(FirmwareComponentRecord, node, records, fence=task.lease.fence)

    def store_inventory(self, task: NodeTask, inventory: Mapping[str, Any], plugin_data: Mapping[str, Any]) -> None:
        """Store the results of an inspection instead of those of the previous one."""
        node = task.record.uuid
        record = NodeInventoryRecord(str(uuid.uuid4()), node, inventory=inventory, plugin_data=plugin_data)
        assert task.lease is not None
        self._store.replace_records(NodeInventoryRecord, node, [record], fence=task.lease.fence)


@contextmanager
def _log_errors(task: NodeTask) -> Iterator[None]:
    """Ignore that a driver does not offer a fact, and log every other error of reading it."""
    try:
        yield
    except LeaseLost:
        raise
    except NotSupported:
        pass
    except BareMetalError as exc:
        task.log.warning("some hardware facts could not be read: %s", exc)


def read_health(task: NodeTask) -> str | None:
    """Read the health of the machine from its BMC. Return None if the BMC does not report it."""
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


def _firmware_record(node: str, found: FirmwareComponent, stored: Mapping[str, Any] | None) -> FirmwareComponentRecord:
    initial = None if stored is None else stored["initial_version"]
    flashed = None if stored is None else stored["last_version_flashed"]
    return FirmwareComponentRecord(
        uuid=str(uuid.uuid4()),
        node_uuid=node,
        component=found.component,
        initial_version=initial or found.initial_version or found.current_version or "unknown",
        current_version=found.current_version,
        last_version_flashed=found.last_version_flashed or flashed,
    )


def _logical_disk_changes(task: NodeTask) -> dict[str, Any]:
    """Return the change of ``raid_config`` after the RAID steps of the run. Empty without such steps.

    The steps are replayed on the stored configuration in their order, because a run may delete and create in turn.
    """
    disks: list[Any] | None = None
    for entry in steps.completed_steps(task.record, Kind.RAID):
        present = task.record.raid_config.get("logical_disks", ()) if disks is None else disks
        if entry.step == "delete_configuration":
            disks = []
        elif entry.step == "create_configuration":
            kept = [] if entry.arguments.get("delete_existing") else list(present)
            target = task.record.target_raid_config.get("logical_disks", ())
            disks = kept + [disk for disk in target if _is_created(disk, entry.arguments)]
    if disks is None:
        return {}
    return {"raid_config": {"logical_disks": disks, "last_updated": task.clock.now().isoformat()} if disks else {}}


def _is_created(disk: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Return whether a ``create_configuration`` step with these arguments creates *disk*."""
    argument = "create_root_volume" if disk.get("is_root_volume") else "create_nonroot_volumes"
    return bool(arguments.get(argument, True))
