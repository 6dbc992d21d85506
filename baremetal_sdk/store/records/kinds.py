"""Table of the kinds of records that stores handle with the same methods, and the properties of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from baremetal_interfaces import NotFound
from baremetal_sdk import errors
from baremetal_sdk.store.records.access import KeyedRequestRecord, TokenRecord
from baremetal_sdk.store.records.fields import RecordFields, is_uuid
from baremetal_sdk.store.records.hardware import (
    BIOSSettingRecord,
    ChassisRecord,
    FirmwareComponentRecord,
    LoginRefusalRecord,
    NodeHistoryRecord,
    NodeInventoryRecord,
    NodeValuePartRecord,
    PortgroupRecord,
    VolumeConnectorRecord,
    VolumeTargetRecord,
)
from baremetal_sdk.store.records.identifiers import is_mac
from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord

R = TypeVar("R")

_MANAGED = frozenset({"uuid", "created_at", "updated_at", "revision"})
_UUIDS = {"uuid": 36, "node_uuid": 36}


class Visibility(Enum):
    """Rules for which records of a kind a caller with the scope of one project sees. "It" is that project."""

    ALL = "all records"
    NODE = "records of nodes that it owns or leases"
    OWNER = "records that it owns"
    OWNER_OR_PUBLIC = "records that it owns and public records"


@dataclass(frozen=True)
class RecordKind(Generic[R]):
    """Properties of a kind of records. All records have ``uuid``, ``created_at``, ``updated_at`` and ``revision``."""

    fields: RecordFields[R]
    table: str
    """Name of the table in the database, without the prefix."""
    not_found: type[NotFound]
    lookup_fields: tuple[str, ...] = ("uuid",)
    """Unique fields by which clients identify a record."""
    listed: tuple[str, ...] = ()
    """Fields that have an index in the database, because listings filter or sort by them."""
    belongs_to_node: bool = False
    """True if a record is deleted together with the node of its ``node_uuid``."""
    fenced: bool = False
    """True if writes to a record check the lease of its node."""
    visibility: Visibility = Visibility.ALL
    used_by: tuple[str, str] | None = None
    """Table and column that refer to records of this kind. A record cannot be deleted while a row refers to it."""

    @property
    def label(self) -> str:
        """Name of one record of the kind, for messages and unique keys."""
        return self.fields.label

    def parse_ident(self, ident: str) -> tuple[str, str]:
        """Return the unique field and the value by which an identifier from a client identifies a record.

        Raises ``NotFound`` if the kind has no field for such an identifier.
        """
        folded = ident.lower()
        if is_uuid(folded):
            return "uuid", folded
        if "address" in self.lookup_fields and is_mac(folded):
            return "address", folded
        if "name" in self.lookup_fields:
            return "name", ident
        raise self.not_found_error(ident)

    def require_unfenced(self) -> None:
        """Raise ``TypeError`` for a fenced kind, before a write to records of several nodes: it would need several leases."""
        if self.fenced:
            raise TypeError(f"a {self.label} cannot be written without the lease of its node; use a method with a fence")

    def not_found_error(self, ident: str) -> NotFound:
        """Return the error for a record that does not exist or that the caller may not see."""
        return self.not_found(f"{self.label} {ident} was not found", record=self.label, ident=ident)


def _fields(
    record: type[R],
    label: str,
    *,
    managed: frozenset[str] = frozenset(),
    lengths: Mapping[str, int] | None = None,
    texts: frozenset[str] = frozenset(),
) -> RecordFields[R]:
    return RecordFields(record, label, managed=_MANAGED | managed, lengths={**_UUIDS, **(lengths or {})}, texts=texts)


_OF_NODE: dict[str, Any] = {"belongs_to_node": True, "fenced": True, "visibility": Visibility.NODE, "listed": ("node_uuid",)}
_NODE_UUID = frozenset({"node_uuid"})
"""Field that only the store sets in parts of a node, because they cannot move to another node."""

CHASSIS = RecordKind(
    _fields(ChassisRecord, "chassis", texts=frozenset({"description"})),
    "chassis",
    errors.ChassisNotFound,
    used_by=("nodes", "chassis_uuid"),
)
PORTGROUPS = RecordKind(
    _fields(PortgroupRecord, "portgroup", managed=_NODE_UUID, lengths={"address": 80, "category": 80, "mode": 64}),
    "portgroups",
    errors.PortgroupNotFound,
    lookup_fields=("uuid", "address", "name"),
    used_by=("ports", "portgroup_uuid"),
    **_OF_NODE,
)
VOLUME_CONNECTORS = RecordKind(
    _fields(VolumeConnectorRecord, "volume connector", managed=_NODE_UUID, lengths={"type": 64}),
    "volume_connectors",
    errors.VolumeConnectorNotFound,
    **_OF_NODE,
)
VOLUME_TARGETS = RecordKind(
    _fields(VolumeTargetRecord, "volume target", managed=_NODE_UUID, lengths={"volume_type": 64}),
    "volume_targets",
    errors.VolumeTargetNotFound,
    **_OF_NODE,
)
BIOS_SETTINGS = RecordKind(
    _fields(BIOSSettingRecord, "BIOS setting", managed=_NODE_UUID, lengths={"attribute_type": 64}, texts=frozenset({"value"})),
    "bios_settings",
    errors.BIOSSettingNotFound,
    **_OF_NODE,
)
FIRMWARE_COMPONENTS = RecordKind(
    _fields(FirmwareComponentRecord, "firmware component", managed=_NODE_UUID),
    "firmware_components",
    errors.FirmwareComponentNotFound,
    **_OF_NODE,
)
NODE_INVENTORIES = RecordKind(
    _fields(NodeInventoryRecord, "inventory", managed=_NODE_UUID), "node_inventories", errors.NodeInventoryNotFound, **_OF_NODE
)
NODE_VALUE_PARTS = RecordKind(
    _fields(
        NodeValuePartRecord,
        "node value part",
        managed=frozenset({"node_uuid", "value_uuid", "number"}),
        lengths={"value_uuid": 36},
        texts=frozenset({"content"}),
    ),
    "node_value_parts",
    NotFound,
    listed=("node_uuid",),
    belongs_to_node=True,
    visibility=Visibility.NODE,
)
NODE_HISTORY = RecordKind(
    _fields(
        NodeHistoryRecord,
        "history entry",
        managed=_NODE_UUID,
        lengths=dict.fromkeys(("event_type", "severity", "state", "target_provision_state"), 64),
        texts=frozenset({"event"}),
    ),
    "node_history",
    errors.NodeHistoryNotFound,
    listed=("node_uuid", "created_at"),
    belongs_to_node=True,
    visibility=Visibility.NODE,
)
ALLOCATIONS = RecordKind(
    _fields(AllocationRecord, "allocation", lengths={"state": 64, "resource_class": 80}, texts=frozenset({"last_error"})),
    "allocations",
    errors.AllocationNotFound,
    lookup_fields=("uuid", "name"),
    listed=("node_uuid", "resource_class", "state", "owner"),
    belongs_to_node=True,
    visibility=Visibility.OWNER,
)
DEPLOY_TEMPLATES = RecordKind(
    _fields(DeployTemplateRecord, "deploy template"),
    "deploy_templates",
    errors.DeployTemplateNotFound,
    lookup_fields=("uuid", "name"),
)
RUNBOOKS = RecordKind(
    _fields(RunbookRecord, "runbook", texts=frozenset({"description"})),
    "runbooks",
    errors.RunbookNotFound,
    lookup_fields=("uuid", "name"),
    listed=("owner",),
    visibility=Visibility.OWNER_OR_PUBLIC,
)
INSPECTION_RULES = RecordKind(
    _fields(InspectionRuleRecord, "inspection rule", lengths={"phase": 64}, texts=frozenset({"description"})),
    "inspection_rules",
    errors.InspectionRuleNotFound,
    listed=("priority",),
)

LOGIN_REFUSALS = RecordKind(_fields(LoginRefusalRecord, "login refusal"), "login_refusals", NotFound)
API_TOKENS = RecordKind(
    _fields(TokenRecord, "API token", lengths={"role": 64}), "api_tokens", errors.TokenNotFound, lookup_fields=("uuid", "name")
)

KEYED_REQUESTS = RecordKind(
    _fields(KeyedRequestRecord, "keyed request", texts=frozenset({"content", "location"})),
    "keyed_requests",
    NotFound,
    listed=("created_at",),
)

RECORD_KINDS: Mapping[type, RecordKind[Any]] = {
    kind.fields.record_type: kind
    for kind in (
        CHASSIS,
        PORTGROUPS,
        VOLUME_CONNECTORS,
        VOLUME_TARGETS,
        BIOS_SETTINGS,
        FIRMWARE_COMPONENTS,
        NODE_INVENTORIES,
        NODE_VALUE_PARTS,
        NODE_HISTORY,
        ALLOCATIONS,
        DEPLOY_TEMPLATES,
        RUNBOOKS,
        INSPECTION_RULES,
        LOGIN_REFUSALS,
        API_TOKENS,
        KEYED_REQUESTS,
    )
}
"""Record class -> its kind."""
