"""The kinds of records that all are kept by the same methods: what is said here is all that a store knows of one."""

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
    """Which records a caller sees who sees one project only."""

    ALL = "all of them"
    NODE = "those of nodes that it owns or leases"
    OWNER = "those that it owns"
    OWNER_OR_PUBLIC = "those that it owns and those that are public"


@dataclass(frozen=True)
class RecordKind(Generic[R]):
    """One kind of records. Each has ``uuid``, ``created_at``, ``updated_at`` and ``revision``."""

    fields: RecordFields[R]
    table: str
    """The name of the table, behind the prefix."""
    not_found: type[NotFound]
    lookup_fields: tuple[str, ...] = ("uuid",)
    """The unique fields that clients call it by."""
    listed: tuple[str, ...] = ()
    """Fields with an index: listings filter for them or sort by them."""
    belongs_to_node: bool = False
    """Whether it goes with the node of its ``node_uuid`` when that is deleted."""
    fenced: bool = False
    """Whether it is written under the lease of that node."""
    visibility: Visibility = Visibility.ALL
    used_by: tuple[str, str] | None = None
    """Table and column that name it: while a row does, it cannot be deleted."""

    @property
    def label(self) -> str:
        """What one of them is called."""
        return self.fields.label

    def key(self, ident: str) -> tuple[str, str]:
        """The unique field that is meant by what a client calls it, and its value there."""
        folded = ident.lower()
        if is_uuid(folded):
            return "uuid", folded
        if "address" in self.lookup_fields and is_mac(folded):
            return "address", folded
        if "name" in self.lookup_fields:
            return "name", ident
        raise self.not_found_error(ident)

    def require_unfenced(self) -> None:
        """Raise ``TypeError`` where records are written under a lease: many at once would need many leases."""
        if self.fenced:
            raise TypeError(f"a {self.label} is written under the lease of its node")

    def not_found_error(self, ident: str) -> NotFound:
        """There is no such record, or none that the caller may see."""
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
_STAYS = frozenset({"node_uuid"})

CHASSIS = RecordKind(
    _fields(ChassisRecord, "chassis", texts=frozenset({"description"})),
    "chassis",
    errors.ChassisNotFound,
    used_by=("nodes", "chassis_uuid"),
)
PORTGROUPS = RecordKind(
    _fields(PortgroupRecord, "portgroup", managed=_STAYS, lengths={"address": 80, "category": 80, "mode": 64}),
    "portgroups",
    errors.PortgroupNotFound,
    lookup_fields=("uuid", "address", "name"),
    used_by=("ports", "portgroup_uuid"),
    **_OF_NODE,
)
VOLUME_CONNECTORS = RecordKind(
    _fields(VolumeConnectorRecord, "volume connector", managed=_STAYS, lengths={"type": 64}),
    "volume_connectors",
    errors.VolumeConnectorNotFound,
    **_OF_NODE,
)
VOLUME_TARGETS = RecordKind(
    _fields(VolumeTargetRecord, "volume target", managed=_STAYS, lengths={"volume_type": 64}),
    "volume_targets",
    errors.VolumeTargetNotFound,
    **_OF_NODE,
)
BIOS_SETTINGS = RecordKind(
    _fields(BIOSSettingRecord, "BIOS setting", managed=_STAYS, lengths={"attribute_type": 64}, texts=frozenset({"value"})),
    "bios_settings",
    errors.BIOSSettingNotFound,
    **_OF_NODE,
)
FIRMWARE_COMPONENTS = RecordKind(
    _fields(FirmwareComponentRecord, "firmware component", managed=_STAYS),
    "firmware_components",
    errors.FirmwareComponentNotFound,
    **_OF_NODE,
)
NODE_INVENTORIES = RecordKind(
    _fields(NodeInventoryRecord, "inventory", managed=_STAYS), "node_inventories", errors.NodeInventoryNotFound, **_OF_NODE
)
NODE_HISTORY = RecordKind(
    _fields(
        NodeHistoryRecord,
        "history entry",
        managed=_STAYS,
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
"""The kinds, by the classes of their records."""
