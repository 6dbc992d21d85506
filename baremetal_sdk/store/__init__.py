"""Where nodes, ports, leases and conductors are kept: a protocol, and implementations in memory and in SQL."""

from baremetal_sdk.store.factory import open_store
from baremetal_sdk.store.memory import MemoryStore
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.store.records import ConductorRecord, Fence, Lease, NodeRecord, PortRecord
from baremetal_sdk.store.secrets import FernetBox, PlainBox, SecretBox

__all__ = [
    "ConductorRecord",
    "Fence",
    "FernetBox",
    "Lease",
    "MemoryStore",
    "NodeQuery",
    "NodeRecord",
    "PlainBox",
    "PortRecord",
    "Query",
    "Row",
    "Scope",
    "SecretBox",
    "Store",
    "open_store",
]
