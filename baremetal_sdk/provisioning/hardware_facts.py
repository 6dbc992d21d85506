"""Reader for facts about a node's hardware: BIOS settings, firmware versions, inventory, health and logical disks."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from baremetal_interfaces import (
    BareMetalError,
    BIOSSetting,
    FirmwareComponent,
    HealthReport,
    Kind,
    NotSupported,
    UnexpectedAnswer,
)
from baremetal_interfaces.json_values import clean_string, clean_texts
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.large_values import INSPECTION, LargeValues, store_inspection
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import BIOSSettingRecord, FirmwareComponentRecord, NodeInventoryRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks.node_task import NodeTask

T = TypeVar("T")
_MAX_FACTS = 10_000
"""Maximum number of BIOS settings or firmware components of one machine."""
_MAX_BOUND = 2**31 - 1


class HardwareFacts:
    """Reader that gets facts from a node's driver and stores them under the task's lease.

    Facts are additional information. :meth:`read_all` and :meth:`read_after_steps` log errors of the driver and continue. The
    other methods raise them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_all(self, task: NodeTask) -> dict[str, Any]:
        """Read BIOS settings, firmware versions and health. Log errors of the driver and continue; ``LeaseLost`` passes.

        Store settings and versions as separate records. Return the change of the node's record for the health; empty if the
        health is the stored one or could not be read.
        """
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
        """Read BIOS settings and firmware versions again if the finished run had steps that may have changed them.

        Return the changes of the node's record, which are those of ``raid_config`` after RAID steps.
        """
        if any(steps.completed_steps(task.record, Kind.BIOS)):
            with _log_errors(task):
                self.read_bios(task)
        if any(steps.completed_steps(task.record, Kind.FIRMWARE)):
            with _log_errors(task):
                self.read_firmware(task)
        return _logical_disk_changes(task)

    def read_bios(self, task: NodeTask) -> None:
        """Read the BIOS settings of the machine, and replace the stored settings of its node. Raises errors of the driver."""
        node = task.record.uuid
        records = [_bios_record(node, setting) for setting in _limit(task.call(Kind.BIOS, "get_settings"), "BIOS settings")]
        assert task.lease is not None
        self._store.replace_records(BIOSSettingRecord, node, records, fence=task.lease.fence)

    def read_firmware(self, task: NodeTask) -> None:
        """Read the firmware versions of the machine, and replace the stored versions of its node.

        The stored initial version of a component remains. Raises errors of the driver.
        """
        node = task.record.uuid
        components = _limit(task.call(Kind.FIRMWARE, "get_components"), "firmware components")
        rows = self._store.records(FirmwareComponentRecord, Query(where={"node_uuid": node}))
        stored: dict[str, Mapping[str, Any]] = {row["component"]: row for row in rows}
        records = [_firmware_record(node, component, stored.get(clean_string(component.component))) for component in components]
        assert task.lease is not None
        self._store.replace_records(FirmwareComponentRecord, node, records, fence=task.lease.fence)

    def store_inventory(self, task: NodeTask, inventory: Mapping[str, Any], plugin_data: Mapping[str, Any]) -> None:
        """Store the results of an inspection in place of the results of the node's previous inspection."""
        node = task.record.uuid
        inventory, plugin_data, reference = store_inspection(self._store, node, inventory, plugin_data)
        record = NodeInventoryRecord(str(uuid.uuid4()), node, inventory=inventory, plugin_data=plugin_data)
        assert task.lease is not None
        self._store.replace_records(NodeInventoryRecord, node, [record], fence=task.lease.fence)
        LargeValues(self._store).delete_others(node, INSPECTION, reference)


@contextmanager
def _log_errors(task: NodeTask) -> Iterator[None]:
    """Suppress errors of the contract that reads of facts raise in the block.

    ``NotSupported`` is ignored, because the driver then has no such fact. Other errors are logged. ``LeaseLost`` and
    exceptions outside of the contract still pass.
    """
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


def _limit(facts: Collection[T], what: str) -> Collection[T]:
    """Return *facts*. Raises ``UnexpectedAnswer`` for more of them than a machine can have."""
    if len(facts) > _MAX_FACTS:
        raise UnexpectedAnswer(f"the BMC reports {len(facts)} {what}; {_MAX_FACTS} can be stored")
    return facts


def _text(value: str | None) -> str | None:
    return None if value is None else clean_string(str(value))


def _limit_bound(value: int | None) -> int | None:
    """Return the bound of a BIOS setting, or None if a database cannot store it. Some BMCs report the bounds of 64 bits."""
    return value if isinstance(value, int) and abs(value) <= _MAX_BOUND else None


def _bios_record(node: str, setting: BIOSSetting) -> BIOSSettingRecord:
    return BIOSSettingRecord(
        uuid=str(uuid.uuid4()),
        node_uuid=node,
        name=clean_string(setting.name),
        value=_text(setting.value),
        attribute_type=setting.attribute_type,
        allowable_values=tuple(clean_texts(setting.allowable_values)),
        lower_bound=_limit_bound(setting.lower_bound),
        upper_bound=_limit_bound(setting.upper_bound),
        read_only=setting.read_only,
        reset_required=setting.reset_required,
    )


def _firmware_record(node: str, found: FirmwareComponent, stored: Mapping[str, Any] | None) -> FirmwareComponentRecord:
    current = _text(found.current_version)
    initial = None if stored is None else stored["initial_version"]
    flashed = None if stored is None else stored["last_version_flashed"]
    return FirmwareComponentRecord(
        uuid=str(uuid.uuid4()),
        node_uuid=node,
        component=clean_string(found.component),
        initial_version=initial or _text(found.initial_version) or current or "unknown",
        current_version=current,
        last_version_flashed=_text(found.last_version_flashed) or flashed,
    )


def _logical_disk_changes(task: NodeTask) -> dict[str, Any]:
    """Return the change of the node's ``raid_config`` after the completed RAID steps of its run. Empty without such steps.

    The disks are computed and not read. The steps are applied to the stored configuration in their order, because a run may
    delete and create disks alternately.
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
    """Return whether a step ``create_configuration`` with these arguments creates the logical disk *disk* of the target."""
    argument = "create_root_volume" if disk.get("is_root_volume") else "create_nonroot_volumes"
    return bool(arguments.get(argument, True))
