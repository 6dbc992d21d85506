"""RPC methods for records that operators maintain, such as chassis, port groups, deploy templates and runbooks."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.rpc.argument_types import check_fields
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.physical_networks import move_ports
from baremetal_sdk.services.short_work import RECORD_CHANGE, RECORD_DELETION, acquire_after_short_work
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import ChassisRecord, PortgroupRecord, VolumeConnectorRecord, VolumeTargetRecord
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from baremetal_sdk.tasks.task_manager import TaskManager
from baremetal_sdk.update_rules.rules import Change, OperationRules
from baremetal_sdk.update_rules.table import CONNECTOR_DELETE, CONNECTOR_UPDATE, TARGET_DELETE, TARGET_UPDATE

_RECORDS_BY_KIND: Mapping[str, type[Any]] = {
    RECORD_KINDS[record].table: record
    for record in (
        ChassisRecord,
        PortgroupRecord,
        VolumeConnectorRecord,
        VolumeTargetRecord,
        AllocationRecord,
        DeployTemplateRecord,
        RunbookRecord,
        InspectionRuleRecord,
    )
}
"""Table name -> class of its records, for the tables that clients may change through this service."""
_UPDATE_ONLY = frozenset({AllocationRecord})
"""Classes of records that this service only updates, because another service creates and deletes them."""
_UPDATES: Mapping[type[Any], OperationRules] = {VolumeConnectorRecord: CONNECTOR_UPDATE, VolumeTargetRecord: TARGET_UPDATE}
_DELETIONS: Mapping[type[Any], OperationRules] = {VolumeConnectorRecord: CONNECTOR_DELETE, VolumeTargetRecord: TARGET_DELETE}
"""The rules for changes and deletions of the records whose rules depend on the node."""


class Records:
    """RPC service that creates, changes and deletes records of many kinds.

    Changes and deletions of records that are parts of a node need the node's lease, and raise ``NodeLocked`` without it.
    """

    def __init__(self, store: Store, tasks: TaskManager) -> None:
        self._store = store
        self._tasks = tasks

    @rpc_method("1.0")
    def create_record(self, kind: str, values: Mapping[str, Any]) -> Any:
        """Store a new record with the fields *values* in the table named *kind*, and return it."""
        record = _find_record(kind)
        if record in _UPDATE_ONLY:
            raise _unknown_kind(kind)
        check_fields(record, values, complete=True)
        return self._store.create_record(record(**{"uuid": str(uuids.uuid4()), **values}))

    @rpc_method("1.0")
    def update_record(self, kind: str, uuid: str, changes: Mapping[str, Any], revision: int | None = None) -> Any:
        """Change fields of the record with this UUID in the table named *kind*, and return it.

        Raises ``RevisionConflict`` if *revision* is given and the record has another one. Raises ``InvalidStateRequested`` for
        volumes of a node that is not powered off. The ports of a port group move to its new physical network.
        """
        record = _find_record(kind)
        check_fields(record, changes)
        if not RECORD_KINDS[record].fenced:
            return self._store.update_record(record, uuid, changes, revision=revision)
        node = self._store.record(record, uuid).node_uuid
        with acquire_after_short_work(self._tasks, node, RECORD_CHANGE.format(label=RECORD_KINDS[record].label)) as task:
            assert task.lease is not None
            if record in _UPDATES:
                _UPDATES[record].check(Change(node=task.record, values=changes))
            changed = self._store.update_record(record, uuid, changes, fence=task.lease.fence, revision=revision)
            if isinstance(changed, PortgroupRecord) and "physical_network" in changes:
                move_ports(self._store, changed, task.lease.fence)
            return changed

    @rpc_method("1.0")
    def delete_record(self, kind: str, uuid: str) -> None:
        """Delete the record with this UUID in the table named *kind*.

        Raises ``InvalidStateRequested`` for volumes of a node that is not powered off, unless the node is in a state such as
        ``enroll`` or ``manageable``, in which it may be deleted itself.
        """
        record = _find_record(kind)
        if record in _UPDATE_ONLY:
            raise _unknown_kind(kind)
        if not RECORD_KINDS[record].fenced:
            self._store.delete_record(record, uuid)
            return
        node = self._store.record(record, uuid).node_uuid
        with acquire_after_short_work(self._tasks, node, RECORD_DELETION.format(label=RECORD_KINDS[record].label)) as task:
            assert task.lease is not None
            if record in _DELETIONS:
                _DELETIONS[record].check(Change(node=task.record))
            self._store.delete_record(record, uuid, fence=task.lease.fence)

    @rpc_method("1.0")
    def delete_inspection_rules(self) -> int:
        """Delete all inspection rules, and return their number."""
        return self._store.purge_records(InspectionRuleRecord, {})


def _find_record(kind: str) -> type[Any]:
    if kind not in _RECORDS_BY_KIND:
        raise _unknown_kind(kind)
    return _RECORDS_BY_KIND[kind]


def _unknown_kind(kind: str) -> InvalidInput:
    return InvalidInput([Problem("kind", f"{kind!r} is not known", "allowed are " + ", ".join(sorted(_RECORDS_BY_KIND)))])
