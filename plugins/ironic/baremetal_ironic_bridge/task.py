"""Ironic's task as a task of the contract."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from baremetal_interfaces import Connector, DriverState, Interface, Kind, LocalTask, Node, Port

_STATES = "contract_states"
"""Where a node keeps what plugins remember of it."""


class BridgedTask(LocalTask):
    """A session is opened for each call and closed after it; what a plugin keeps of a node is in ``driver_internal_info``."""

    def __init__(
        self,
        interfaces: Mapping[Kind, Interface],
        ironic: Any,
        *,
        timeout: float,
        connectors: MutableMapping[type[Connector[Any]], Connector[Any]],
    ) -> None:
        node = ironic.node
        super().__init__(
            interfaces,
            dict(node.driver_info),
            node=_node(node),
            ports=[port_of(port) for port in ironic.ports],
            timeout=timeout,
            connectors=connectors,
        )
        self._ironic_node = node
        self._kept: dict[Kind, DriverState] = {}

    def state(self, kind: Kind | str) -> Any:
        """What the plugin keeps of this node; :meth:`keep` stores what was changed on it."""
        kind = Kind(kind)
        if kind not in self._kept:
            fresh = super().state(kind)
            stored = self._ironic_node.driver_internal_info.get(_STATES, {}).get(kind.value)
            self._kept[kind] = type(fresh).load(stored)
        return self._kept[kind]

    def keep(self) -> None:
        """Store what calls have changed of the plugin's state."""
        before = self._ironic_node.driver_internal_info.get(_STATES, {})
        after = {**before, **{kind.value: state.dump() for kind, state in self._kept.items()}}
        if after != before:
            self._ironic_node.set_driver_internal_info(_STATES, after)
            self._ironic_node.save()


def _node(node: Any) -> Node:
    return Node(
        uuid=node.uuid,
        name=node.name,
        driver=node.driver,
        provision_state=node.provision_state,
        power_state=node.power_state,
        instance_uuid=node.instance_uuid,
        resource_class=node.resource_class,
        properties=dict(node.properties),
        instance_info=dict(node.instance_info),
        network_data=dict(node.network_data or {}),
        raid_config=dict(node.raid_config or {}),
        target_raid_config=dict(node.target_raid_config or {}),
        extra=dict(node.extra),
        traits=tuple(node.traits.get_trait_names()) if node.traits is not None else (),
    )


def port_of(port: Any) -> Port:
    """A port of Ironic's as one of the contract's."""
    return Port(
        uuid=port.uuid,
        address=port.address,
        pxe_enabled=bool(port.pxe_enabled),
        local_link_connection=dict(port.local_link_connection or {}),
        extra=dict(port.extra or {}),
    )
