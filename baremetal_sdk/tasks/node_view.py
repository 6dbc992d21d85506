"""A node as drivers see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Node
from baremetal_sdk.store.records.node import NodeRecord


def build_node(record: NodeRecord, instance_info: Mapping[str, Any]) -> Node:
    """The node of a record, with an *instance_info* that may hold secrets for the driver."""
    return Node(
        uuid=record.uuid,
        name=record.name,
        driver=record.driver,
        provision_state=record.provision_state,
        power_state=record.power_state,
        instance_uuid=record.instance_uuid,
        resource_class=record.resource_class,
        properties=record.properties,
        instance_info=instance_info,
        network_data=record.network_data,
        raid_config=record.raid_config,
        target_raid_config=record.target_raid_config,
        extra=record.extra,
        traits=record.traits,
    )
