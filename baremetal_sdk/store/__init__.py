"""Stores for nodes, their records, leases and conductors: the ``Store`` protocol, and its implementations in memory and SQL."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.store.factory import open_store
    from baremetal_sdk.store.memory.store import MemoryStore
    from baremetal_sdk.store.protocol import Store
    from baremetal_sdk.store.records.access import TokenRecord
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
    from baremetal_sdk.store.records.node import ConductorRecord, Fence, Lease, NodeRecord, PortRecord
    from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
    from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
    from baremetal_sdk.store.secrets import FernetBox, PlainBox, SecretBox
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "factory": ("open_store",),
            "memory.store": ("MemoryStore",),
            "protocol": ("Store",),
            "records.access": ("TokenRecord",),
            "records.hardware": (
                "BIOSSettingRecord",
                "ChassisRecord",
                "FirmwareComponentRecord",
                "LoginRefusalRecord",
                "NodeHistoryRecord",
                "NodeInventoryRecord",
                "PortgroupRecord",
                "VolumeConnectorRecord",
                "VolumeTargetRecord",
            ),
            "records.node": ("ConductorRecord", "Fence", "Lease", "NodeRecord", "PortRecord"),
            "records.policy": ("AllocationRecord", "DeployTemplateRecord", "InspectionRuleRecord", "RunbookRecord"),
            "records.query": ("NodeQuery", "Query", "Row", "Scope"),
            "secrets": ("FernetBox", "PlainBox", "SecretBox"),
        },
    )

__all__ = [
    "AllocationRecord",
    "BIOSSettingRecord",
    "ChassisRecord",
    "ConductorRecord",
    "DeployTemplateRecord",
    "Fence",
    "FernetBox",
    "FirmwareComponentRecord",
    "InspectionRuleRecord",
    "Lease",
    "LoginRefusalRecord",
    "MemoryStore",
    "NodeHistoryRecord",
    "NodeInventoryRecord",
    "NodeQuery",
    "NodeRecord",
    "PlainBox",
    "PortRecord",
    "PortgroupRecord",
    "Query",
    "Row",
    "RunbookRecord",
    "Scope",
    "SecretBox",
    "Store",
    "TokenRecord",
    "VolumeConnectorRecord",
    "VolumeTargetRecord",
    "open_store",
]
