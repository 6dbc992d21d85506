"""Helpers that remove the link between a node and its allocation."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import NotFound
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord

LOG = get_logger(__name__)


def unlink_changes(node: NodeRecord) -> dict[str, Any]:
    """Return the changes of *node* that remove its link to an allocation and the traits that the allocation requested."""
    info = {name: value for name, value in node.instance_info.items() if name != "traits"}
    return {"instance_uuid": None, "allocation_uuid": None, "instance_info": info}


def delete_allocation(store: Store, allocation: str | None) -> None:
    """Delete the record of the allocation with UUID *allocation*, after its node was torn down or lost its instance.

    Do nothing for None and for an allocation that does not exist.
    """
    if allocation is None:
        return
    try:
        store.delete_record(AllocationRecord, allocation)
    except NotFound:
        LOG.debug("allocation %s is already deleted", allocation)
