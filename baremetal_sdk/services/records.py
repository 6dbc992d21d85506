"""What operators describe: chassis, port groups, volumes, deploy templates, runbooks, inspection rules."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidStateRequested
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import ChassisRecord, PortgroupRecord, VolumeConnectorRecord, VolumeTargetRecord
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from baremetal_sdk.tasks.task_manager import TaskManager

_WRITTEN: Mapping[str, type[Any]] = {
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
"""What clients may have written as it is, by the name of its table."""
_NOT_CREATED = frozenset({AllocationRecord})
"""What a service of its own creates and deletes."""
_WHILE_OFF = frozenset({VolumeConnectorRecord, VolumeTargetRecord})
"""What a machine that is on may be using."""


class Records:
    """Creating, changing and deleting records of many kinds; a part of a node only under the lease of that node."""

    def __init__(self, store: Store, tasks: TaskManager) -> None:
        self._store = store
        self._tasks = tasks

    @rpc_method("1.0")
    def create_record(self, kind: str, values: Mapping[str, Any]) -> Any:
        """Store a new record; *kind* is named as its table is."""
        record = _known(kind)
        if record in _NOT_CREATED:
            raise _unknown(kind)
        return self._store.create_record(record(**{"uuid": str(uuids.uuid4()), **values}))

    @rpc_method("1.0")
    def update_record(self, kind: str, uuid: str, changes: Mapping[str, Any], revision: int | None = None) -> Any:
        """Change fields of a record, if it still has *revision*."""
        record = _known(kind)
        if not RECORD_KINDS[record].fenced:
            return self._store.update_record(record, uuid, changes, revision=revision)
        node = self._store.record(record, uuid).node_uuid
        with self._tasks.acquire(node, purpose=f"change of a {RECORD_KINDS[record].label}") as task:
            assert task.lease is not None
            if record in _WHILE_OFF:
                _require_off(RECORD_KINDS[record].label, task.record)
            return self._store.update_record(record, uuid, changes, fence=task.lease.fence, revision=revision)

    @rpc_method("1.0")
    def delete_record(self, kind: str, uuid: str) -> None:
        """Delete a record."""
        record = _known(kind)
        if record in _NOT_CREATED:
            raise _unknown(kind)
        if not RECORD_KINDS[record].fenced:
            self._store.delete_record(record, uuid)
            return
        node = self._store.record(record, uuid).node_uuid
        with self._tasks.acquire(node, purpose=f"deletion of a {RECORD_KINDS[record].label}") as task:
            assert task.lease is not None
            if record in _WHILE_OFF and task.record.provision_state not in states.DELETE_ALLOWED:
                _require_off(RECORD_KINDS[record].label, task.record)
            self._store.delete_record(record, uuid, fence=task.lease.fence)

    @rpc_method("1.0")
    def delete_inspection_rules(self) -> int:
        """Delete all inspection rules; give back how many there were."""
        return self._store.purge_records(InspectionRuleRecord, {})


def _known(kind: str) -> type[Any]:
    if kind not in _WRITTEN:
        raise _unknown(kind)
    return _WRITTEN[kind]


def _unknown(kind: str) -> InvalidInput:
    return InvalidInput([Problem("kind", f"it is {kind!r}", "allowed are " + ", ".join(sorted(_WRITTEN)))])


def _require_off(what: str, node: NodeRecord) -> None:
    if node.power_state != "power off":
        raise InvalidStateRequested(
            f"a {what} of node {node.uuid} cannot be changed while the node is {node.power_state!r}; switch it off first"
        )
