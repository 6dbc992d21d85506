"""Rules of ports and conductors for all stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked
from baremetal_sdk.errors import (
    ConductorNotFound,
    DuplicateName,
    LeaseLost,
    MACAlreadyExists,
    NodeNotFound,
    PortNotFound,
    RevisionConflict,
)
from baremetal_sdk.store import ConductorRecord, PortRecord, Query, Scope
from tests.fixtures.stores import HOLDER, StoreBehaviour, new_mac, new_uuid


class PortBehaviour(StoreBehaviour):
    """Ports are created, read, changed and deleted under the lease of their node."""

    def test_port_is_found_by_uuid_address_and_name(self: Any) -> None:
        """UUID and address match in either case, and the name matches exactly."""
        port = self.port(self.node(), name="eth0", extra={"a": [1]}, pxe_enabled=False)
        for ident in (port.uuid, port.uuid.upper(), port.address, port.address.upper(), "eth0"):
            self.assertEqual(port, self.store.port(ident))
        for ident in (new_uuid(), new_mac(), "ETH0"):
            self.assertIn(ident, str(self.assertRaises(PortNotFound, self.store.port, ident)))

    def test_address_is_one_in_either_case(self: Any) -> None:
        """A duplicate address in any case is rejected and named."""
        node = self.node()
        port = self.port(node, address="AA:BB:CC:00:11:22")
        self.assertEqual("aa:bb:cc:00:11:22", port.address)
        error = self.assertRaises(MACAlreadyExists, self.port, node, address="aa:BB:cc:00:11:22")
        self.assertEqual({"field": "address", "value": "aa:bb:cc:00:11:22"}, error.details)
        other = self.port(node)
        self.assertRaises(MACAlreadyExists, self.store.update_port, other.uuid, {"address": "AA:BB:CC:00:11:22"}, fence=None)
        self.assertEqual([port.uuid], [row.uuid for row in self.store.ports(Query(where={"address": "AA:bb:CC:00:11:22"}))])

    def test_duplicate_name_and_uuid_are_distinguished(self: Any) -> None:
        """A duplicate name or UUID is not reported as a duplicate address."""
        node = self.node()
        port = self.port(node, name="eth0")
        self.assertEqual("name", self.assertRaises(DuplicateName, self.port, node, name="eth0").details["field"])
        again = PortRecord(port.uuid, node.uuid, new_mac())
        self.assertEqual("uuid", self.assertRaises(DuplicateName, self.store.create_port, again, fence=None).details["field"])

    def test_port_needs_its_node(self: Any) -> None:
        """A port of a missing node is rejected."""
        self.assertRaises(NodeNotFound, self.store.create_port, PortRecord(new_uuid(), new_uuid(), new_mac()), fence=None)

    def test_ports_are_deleted_with_their_node(self: Any) -> None:
        """The deletion of a node deletes its ports and no others."""
        node, other = self.node(), self.node()
        port, kept = self.port(node), self.port(other)
        self.store.delete_node(node.uuid, fence=None)
        self.assertRaises(PortNotFound, self.store.port, port.uuid)
        self.assertEqual([kept.uuid], [row.uuid for row in self.store.ports(Query())])
        self.port(other, address=port.address)

    def test_port_is_written_under_the_lease_of_its_node(self: Any) -> None:
        """Ports are created, changed and deleted only under the held lease."""
        node = self.node()
        port = self.port(node)
        fence = self.lease(node).fence
        new = PortRecord(new_uuid(), node.uuid, new_mac())
        for wrong, expected in ((None, NodeLocked), (fence._replace(epoch=0), LeaseLost)):
            self.assertRaises(expected, self.store.create_port, new, fence=wrong)
            self.assertRaises(expected, self.store.update_port, port.uuid, {"extra": {"a": 1}}, fence=wrong)
            self.assertRaises(expected, self.store.delete_port, port.uuid, fence=wrong)
        self.assertEqual(port, self.store.port(port.uuid))
        self.store.create_port(new, fence=fence)
        self.store.update_port(port.uuid, {"extra": {"a": 1}}, fence=fence)
        self.store.delete_port(port.uuid, fence=fence)
        self.assertEqual([new.uuid], [row.uuid for row in self.store.ports(Query())])

    def test_port_update_increments_and_checks_the_revision(self: Any) -> None:
        """An update of a port increments its revision, sets its time, and leaves the node unchanged."""
        node = self.node()
        port = self.port(node)
        self.clock.advance(1)
        changed = self.store.update_port(port.uuid, {"physical_network": "a"}, fence=None, revision=0)
        self.assertEqual(replace(port, physical_network="a", updated_at=self.clock.now(), revision=1), changed)
        self.assertEqual(changed, self.store.port(port.uuid))
        self.assertRaises(RevisionConflict, self.store.update_port, port.uuid, {"physical_network": "b"}, fence=None, revision=0)
        self.assertEqual(node, self.store.node(node.uuid))

    def test_port_fields_that_cannot_be_written(self: Any) -> None:
        """Unknown and managed fields are rejected by name, and a port cannot move to another node."""
        port = self.port(self.node())
        for field in ("uuid", "node_uuid", "created_at", "updated_at", "revision", "macaddress"):
            error = self.assertRaises(InvalidInput, self.store.update_port, port.uuid, {field: None}, fence=None)
            self.assertEqual(field, error.problems[0].field)

    def test_missing_port_is_named(self: Any) -> None:
        """The error of a write to a missing port contains the identifier."""
        missing = new_uuid()
        self.assertRaises(PortNotFound, self.store.update_port, missing, {}, fence=None)
        self.assertIn(missing, str(self.assertRaises(PortNotFound, self.store.delete_port, missing, fence=None)))

    def test_scope_hides_ports_of_nodes_of_others(self: Any) -> None:
        """A project sees the ports of the nodes that it sees."""
        mine, other = self.port(self.node(lessee="p")), self.port(self.node(owner="q"))
        scope = Scope("p")
        self.assertEqual([mine.uuid], [row.uuid for row in self.store.ports(Query(), scope=scope)])
        self.assertEqual(mine, self.store.port(mine.uuid, scope=scope))
        self.assertRaises(PortNotFound, self.store.port, other.uuid, scope=scope)
        self.assertRaises(InvalidInput, self.store.ports, Query(marker=other.uuid), scope=scope)

    def test_ports_of_one_node(self: Any) -> None:
        """The ports of a node are listed in pages and in the order of creation."""
        node = self.node()
        uuids = [self.port(node).uuid for _ in range(3)]
        self.port(self.node())
        of_node = {"node_uuid": node.uuid}
        self.assertEqual(uuids, [row.uuid for row in self.store.ports(Query(where=of_node))])
        page = self.store.ports(Query(where=of_node, marker=uuids[0], limit=1, fields=("uuid", "extra")))
        self.assertEqual([{"uuid": uuids[1], "extra": {}}], [dict(row) for row in page])


class ConductorBehaviour(StoreBehaviour):
    """Conductors register their drivers and send heartbeats."""

    def conductor(self, hostname: str = "c1", incarnation: str = "1", **fields: Any) -> ConductorRecord:
        return self.store.register_conductor(ConductorRecord(hostname, incarnation, **fields))

    def test_registered_conductor_is_listed_by_host_name(self: Any) -> None:
        """Conductors are listed by host name, with their drivers and a heartbeat of now."""
        drivers = {"ipmi": {"power": {"default": "ipmitool", "enabled": ["ipmitool", "x"]}}}
        second, first = self.conductor("c2"), self.conductor("c1", conductor_group="g", drivers=drivers)
        self.assertEqual([first, second], list(self.store.conductors()))
        self.assertEqual(drivers, first.drivers)
        self.assertEqual("g", first.conductor_group)
        self.assertEqual(self.clock.now(), first.heartbeat_at)

    def test_new_incarnation_replaces_the_old(self: Any) -> None:
        """A new registration replaces the drivers of the same host name, and the old incarnation can send no heartbeat."""
        old = self.conductor(incarnation="1", drivers={"a": {}})
        self.clock.advance(10)
        new = self.conductor(incarnation="2", drivers={"b": {}})
        self.assertEqual([new], list(self.store.conductors()))
        self.assertEqual({"b": {}}, new.drivers)
        self.assertEqual(old.created_at, new.created_at)
        self.assertEqual(self.clock.now(), new.updated_at)
        self.assertIn("c1", str(self.assertRaises(ConductorNotFound, self.store.heartbeat, "c1", "1")))
        self.assertRaises(ConductorNotFound, self.store.heartbeat, "c9", "1")

    def test_heartbeat_changes_only_the_heartbeat(self: Any) -> None:
        """A heartbeat sets its own time and nothing else."""
        conductor = self.conductor()
        self.clock.advance(10)
        self.store.heartbeat("c1", "1")
        self.assertEqual([replace(conductor, heartbeat_at=self.clock.now())], list(self.store.conductors()))

    def test_only_the_running_incarnation_is_unregistered(self: Any) -> None:
        """A conductor that stops late does not unregister its successor."""
        conductor = self.conductor(incarnation="2")
        self.store.unregister_conductor("c1", "1")
        self.assertEqual([conductor], list(self.store.conductors()))
        self.store.unregister_conductor("c1", "2")
        self.assertEqual([], list(self.store.conductors()))

    def test_conductor_values_are_checked(self: Any) -> None:
        """A value that is too long for its column is rejected by name."""
        self.assertIn("drivers", str(self.assertRaises(InvalidInput, self.conductor, drivers={"a": {HOLDER: object()}})))
        self.assertIn("hostname", str(self.assertRaises(InvalidInput, self.conductor, "h" * 300)))
