"""Task of the contract that is made from a task of Ironic."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from baremetal_interfaces import Connector, DriverState, Interface, Kind, LocalTask, Node, Port

_STATES_KEY = "contract_states"
"""Key of ``driver_internal_info`` with the driver states of a node."""


class BridgedTask(LocalTask):
    """Task of the contract with the node and ports of an Ironic task.

    A session lasts for one call. Driver states are kept in ``driver_internal_info``.
    """

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
            node=_build_node(node),
            ports=[build_port(port) for port in ironic.ports],
            timeout=timeout,
            connectors=connectors,
        )
        self._ironic_node = node
        self._driver_states: dict[Kind, DriverState] = {}

    def state(self, kind: Kind | str) -> Any:
        """Return the state that the interface of *kind* keeps for the node. :meth:`store_states` stores its changes."""
        kind = Kind(kind)
        if kind not in self._driver_states:
            fresh = super().state(kind)
            stored = self._ironic_node.driver_internal_info.get(_STATES_KEY, {}).get(kind.value)
            self._driver_states[kind] = type(fresh).load(stored)
        return self._driver_states[kind]

    def store_states(self) -> None:
        """Write the driver states to the node and save it, if a state has changed."""
        before = self._ironic_node.driver_internal_info.get(_STATES_KEY, {})
        after = {**before, **{kind.value: state.dump() for kind, state in self._driver_states.items()}}
        if after != before:
            self._ironic_node.set_driver_internal_info(_STATES_KEY, after)
            self._ironic_node.save()


def _build_node(node: Any) -> Node:
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


def build_port(port: Any) -> Port:
    """Return the contract's port for a port of Ironic."""
    return Port(
        uuid=port.uuid,
        address=port.address,
        pxe_enabled=bool(port.pxe_enabled),
        local_link_connection=dict(port.local_link_connection or {}),
        extra=dict(port.extra or {}),
    )
