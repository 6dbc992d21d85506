"""Conversion of a node's record to the ``Node`` that drivers see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Node
from baremetal_sdk.store.large_values import LargeValues, find_reference
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.stored_values import StoredValues


def build_node(record: NodeRecord, instance_info: Mapping[str, Any], store: Store) -> Node:
    """Return the contract's ``Node`` for a record. *instance_info* replaces that of the record and may contain secrets.

    A large config drive is read from *store* when the driver uses it.
    """
    if find_reference(instance_info) is not None:
        instance_info = StoredValues(instance_info, LargeValues(store), record.uuid)
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
