"""The physical network that a port group and its ports have in common."""

from __future__ import annotations

from baremetal_interfaces import Conflict
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import PortgroupRecord
from baremetal_sdk.store.records.node import Fence, PortRecord
from baremetal_sdk.store.records.query import Query


def join_network(store: Store, port: PortRecord, group: PortgroupRecord) -> None:
    """Check that *port* is on the network of *group*, its port group. A group without a network takes that of the port.

    Raises ``Conflict`` for another network. The group is written before the port, so that a port whose write fails leaves at
    most a group with a network and without ports.
    """
    query = Query(where={"portgroup_uuid": group.uuid}, fields=("uuid", "physical_network"))
    networks = {row["physical_network"] for row in store.ports(query) if row["uuid"] != port.uuid}
    if not networks and group.physical_network is not None:
        networks = {group.physical_network}
    if networks - {port.physical_network}:
        raise Conflict(
            f"physical_network: port {port.address} is on {port.physical_network!r}, and port group {group.uuid} "
            f"on {', '.join(sorted(map(repr, networks)))}; all ports of a group have to be on one network"
        )
    if not networks and port.physical_network is not None:
        store.update_record(PortgroupRecord, group.uuid, {"physical_network": port.physical_network})


def move_ports(store: Store, group: PortgroupRecord, fence: Fence) -> None:
    """Put the ports of *group* on its physical network. *fence* is of the lease of the node."""
    query = Query(where={"portgroup_uuid": group.uuid}, fields=("uuid", "physical_network"))
    for row in store.ports(query):
        if row["physical_network"] != group.physical_network:
            store.update_port(row["uuid"], {"physical_network": group.physical_network}, fence=fence)
