"""What all bridged interfaces have in common: Ironic's task as a task of the contract."""

from __future__ import annotations

from typing import Any, ClassVar

from baremetal_interfaces import Connector, Interface, Kind, LocalTask, Node, Port
from baremetal_ironic_bridge.faults import as_ironic

CALL_SECONDS = 60.0
"""What a call may take where Ironic says nothing."""


class Adapter:
    """Holds one instance of an interface of the contract, as Ironic holds one of its own, for all nodes and threads."""

    bridged: ClassVar[type[Interface]]
    """The interface of the contract that is offered."""

    def __init__(self) -> None:
        self._interface = self.bridged()
        self._connectors: dict[type[Connector[Any]], Connector[Any]] = {}

    def get_properties(self) -> dict[str, str]:
        """What it reads from ``driver_info``: name -> meaning."""
        info_type = self.bridged.info_type
        options = info_type.options() if info_type is not None else ()
        return {one.name: f"{one.help} {'Required.' if one.required else 'Optional.'}" for one in options}

    def validate(self, task: Any) -> None:
        """Check ``driver_info``; every problem is said at once."""
        with as_ironic():
            self.task(task).validate(self.bridged.kind)

    def task(self, task: Any, timeout: float | None = None) -> LocalTask:
        """The task of the contract for Ironic's. A session is opened for each call and closed after it."""
        interfaces: dict[Kind, Interface] = {self.bridged.kind: self._interface}
        for kind in (Kind.POWER, Kind.MANAGEMENT):
            other = getattr(task.driver, kind.value, None)
            if isinstance(other, Adapter):
                interfaces[kind] = other._interface
        return LocalTask(
            interfaces,
            dict(task.node.driver_info),
            node=_node(task.node),
            ports=[_port(port) for port in task.ports],
            timeout=timeout or CALL_SECONDS,
            connectors=self._connectors,
        )

    def call(self, task: Any, method: str, *given: Any, **named: Any) -> Any:
        """Call a method of the bridged interface."""
        with as_ironic():
            return self.task(task).call(self.bridged.kind, method, *given, **named)


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
    )


def _port(port: Any) -> Port:
    return Port(
        uuid=port.uuid,
        address=port.address,
        pxe_enabled=bool(port.pxe_enabled),
        local_link_connection=dict(port.local_link_connection or {}),
        extra=dict(port.extra or {}),
    )
