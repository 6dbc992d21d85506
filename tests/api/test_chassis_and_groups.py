"""Chassis with their nodes, port groups with their ports, shards, and events of the network service."""

from __future__ import annotations

import uuid
from typing import Any

from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import APIResponse

UNKNOWN_UUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
MAC = "52:54:00:aa:bb:cc"


class ResourceTestCase(MachineAPITestCase):
    def create(self, path: str, version: str = "1.115", **values: Any) -> Any:
        """Create a resource and return it. The request must succeed."""
        response = self.request("POST", f"/v1/{path}", values, version=version)
        self.assertEqual(201, response.status, response.raw)
        self.assertEqual(f"http://localhost/v1/{path}/{response.json['uuid']}", response.headers["Location"])
        return response.json

    def post(self, path: str, version: str = "1.115", **values: Any) -> APIResponse:
        return self.request("POST", f"/v1/{path}", values, version=version)

    def delete(self, path: str, version: str = "1.115") -> int:
        return self.request("DELETE", f"/v1/{path}", version=version).status


class TestChassis(ResourceTestCase):
    def test_chassis_is_created_shown_changed_and_deleted(self) -> None:
        """A chassis has a description, extra data and links to its nodes."""
        chassis = self.create("chassis", "1.1", description="row 3", extra={"a": [1]})
        path = f"/v1/chassis/{chassis['uuid']}"
        self.assertEqual("row 3", chassis["description"])
        self.assertEqual({"a": [1]}, chassis["extra"])
        self.assertIsNone(chassis["updated_at"])
        self.assertEqual(f"http://localhost{path}/nodes", chassis["nodes"][0]["href"])
        self.assertEqual(chassis, self.get(path, "1.1"))
        changed = self.patch(path, ("replace", "/description", "row 4"), ("add", "/extra/a/-", 2), ("add", "/extra/b", 1)).json
        self.assertEqual("row 4", changed["description"])
        self.assertEqual({"a": [1, 2], "b": 1}, changed["extra"])
        self.assertIsNotNone(changed["updated_at"])
        self.assertIsNone(self.patch(path, ("remove", "/description")).json["description"])
        self.assertEqual(204, self.delete(f"chassis/{chassis['uuid']}"))
        self.assert_refused(self.request("GET", path), 404, chassis["uuid"])

    def test_chassis_are_listed(self) -> None:
        """The list shows few fields, all fields or selected fields, and it has pages."""
        created = [self.create("chassis", description=str(number)) for number in range(3)]
        brief = self.get("/v1/chassis", "1.1")["chassis"]
        self.assertEqual([entry["uuid"] for entry in created], [entry["uuid"] for entry in brief])
        self.assertEqual({"uuid", "description", "links"}, set(brief[0]))
        self.assertEqual(created, self.get("/v1/chassis/detail", "1.1")["chassis"])
        self.assertEqual(created, self.get("/v1/chassis?detail=True", "1.43")["chassis"])
        for fields in ("extra", "extra,links"):
            self.assertEqual({"extra", "links"}, set(self.get(f"/v1/chassis?fields={fields}", "1.8")["chassis"][0]))
        page = self.get("/v1/chassis?limit=2&sort_key=description&sort_dir=desc")
        self.assertEqual(["2", "1"], [entry["description"] for entry in page["chassis"]])
        self.assertEqual(
            ["0"], [entry["description"] for entry in self.get(page["next"].removeprefix("http://localhost"))["chassis"]]
        )
        self.assert_refused(self.request("GET", "/v1/chassis?sort_key=extra"), 400, "sort_key")

    def test_invalid_chassis_is_refused(self) -> None:
        """Unknown fields, wrong types, a duplicate UUID and a name in the path are refused."""
        chassis = self.create("chassis")
        self.assert_refused(self.post("chassis", bogus=1), 400, "bogus")
        self.assert_refused(self.post("chassis", extra=[]), 400, "extra")
        self.assert_refused(self.post("chassis", description="x" * 256), 400, "description")
        self.assert_refused(self.post("chassis", uuid=chassis["uuid"]), 409, chassis["uuid"])
        self.assert_refused(self.request("GET", "/v1/chassis/row3"), 400, "row3", "UUID")
        self.assert_refused(self.patch(f"/v1/chassis/{chassis['uuid']}", ("add", "/uuid", UNKNOWN_UUID)), 400, "uuid")

    def test_chassis_contains_nodes(self) -> None:
        """A chassis lists its nodes, is a filter of nodes, and cannot be deleted while it has nodes."""
        chassis = self.create("chassis")["uuid"]
        inside = self.enroll("m2", chassis_uuid=chassis)
        self.assertEqual([inside], [entry["uuid"] for entry in self.get(f"/v1/chassis/{chassis}/nodes", "1.1")["nodes"]])
        self.assertEqual([inside], [entry["uuid"] for entry in self.get(f"/v1/nodes?chassis_uuid={chassis}", "1.1")["nodes"]])
        self.assertIn("driver_info", self.get(f"/v1/chassis/{chassis}/nodes/detail", "1.1")["nodes"][0])
        self.assert_refused(self.request("DELETE", f"/v1/chassis/{chassis}"), 400, "nodes")
        path = f"/v1/nodes/{inside}"
        self.assert_refused(self.patch(path, ("remove", "/chassis_uuid"), version="1.24"), 406, "1.25")
        self.assertIsNone(self.patch(path, ("remove", "/chassis_uuid"), version="1.25").json["chassis_uuid"])
        self.assertEqual(204, self.delete(f"chassis/{chassis}"))
        self.assert_refused(self.patch(path, ("add", "/chassis_uuid", UNKNOWN_UUID)), 400, "chassis_uuid", UNKNOWN_UUID)
        self.assert_refused(self.post("nodes", driver="fake-hardware", chassis_uuid=UNKNOWN_UUID), 400, "chassis_uuid")
        self.assert_refused(self.request("GET", f"/v1/chassis/{UNKNOWN_UUID}/nodes"), 404, UNKNOWN_UUID)


class TestPortgroups(ResourceTestCase):
    def create_group(self, version: str = "1.115", **values: Any) -> Any:
        return self.create("portgroups", version, **{"node_uuid": self.uuid, **values})

    def create_port(self, address: str = MAC, **values: Any) -> Any:
        return self.create("ports", node_uuid=self.uuid, address=address, **values)

    def test_group_is_created_shown_changed_and_deleted(self) -> None:
        """Paths accept the UUID and the name; fields that the request omits get their defaults."""
        group = self.create_group(name="bond0", address=MAC.upper(), properties={"miimon": "100"})
        self.assertEqual(MAC, group["address"])
        self.assertEqual("active-backup", group["mode"])
        self.assertIs(True, group["standalone_ports_supported"])
        for ident in (group["uuid"], "bond0"):
            self.assertEqual(group, self.get(f"/v1/portgroups/{ident}"))
        changed = self.patch("/v1/portgroups/bond0", ("replace", "/mode", "802.3ad"), ("remove", "/address")).json
        self.assertEqual("802.3ad", changed["mode"])
        self.assertIsNone(changed["address"])
        self.assert_refused(self.patch("/v1/portgroups/bond0", ("remove", "/mode")), 400, "mode")
        self.assertEqual(204, self.delete("portgroups/bond0"))
        self.assertEqual(404, self.delete("portgroups/bond0"))

    def test_group_belongs_to_a_node(self) -> None:
        """The node is named by its UUID; the group cannot move to another node, and it is deleted with its node."""
        self.assert_refused(self.post("portgroups"), 400, "node_uuid")
        self.assert_refused(self.post("portgroups", node_uuid="m1"), 400, "node_uuid", "UUID")
        self.assert_refused(self.post("portgroups", node_uuid=UNKNOWN_UUID), 400, "node_uuid", UNKNOWN_UUID)
        group = self.create_group()["uuid"]
        self.assert_refused(self.patch(f"/v1/portgroups/{group}", ("replace", "/node_uuid", UNKNOWN_UUID)), 400, "node_uuid")
        self.assertEqual(
            [group], [entry["uuid"] for entry in self.get(f"/v1/nodes/{self.uuid}/portgroups", "1.24")["portgroups"]]
        )
        self.assertEqual(1, len(self.get("/v1/nodes/m1/portgroups/detail")["portgroups"]))
        self.assertEqual(204, self.delete("nodes/m1"))
        self.assertEqual(404, self.request("GET", f"/v1/portgroups/{group}").status)

    def test_names_and_addresses_are_unique(self) -> None:
        """A duplicate is a conflict, and an invalid name is refused."""
        self.create_group(name="bond0", address=MAC)
        self.assert_refused(self.post("portgroups", node_uuid=self.uuid, name="bond0"), 409, "name")
        self.assert_refused(self.post("portgroups", node_uuid=self.uuid, address=MAC), 409, "address")
        for name in ("a b", "", UNKNOWN_UUID):
            self.assert_refused(self.post("portgroups", node_uuid=self.uuid, name=name), 400, "name")

    def test_first_versions_of_group_fields(self) -> None:
        """Earlier versions neither accept nor show the fields."""
        for name, value, minor in (
            ("mode", "802.3ad", 26), ("properties", {"a": 1}, 26), ("physical_network", "p", 102), ("category", "c", 103),
        ):  # fmt: skip
            older = f"1.{minor - 1}"
            self.assert_refused(self.post("portgroups", older, node_uuid=self.uuid, **{name: value}), 406, name, f"1.{minor}")
            group = self.create_group(f"1.{minor}", **{name: value})
            self.assertEqual(value, group[name])
            self.assertNotIn(name, self.get(f"/v1/portgroups/{group['uuid']}", older))
        self.assertNotIn("dynamic_portgroup", self.get(f"/v1/portgroups/{group['uuid']}", "1.110"))
        self.assertIs(False, self.get(f"/v1/portgroups/{group['uuid']}", "1.111")["dynamic_portgroup"])

    def test_groups_are_filtered(self) -> None:
        """Groups are filtered by node, address, shard or conductor group, one at a time."""
        other = self.enroll("m2", shard="s2")
        first, second = self.create_group(address=MAC)["uuid"], self.create_group(node_uuid=other)["uuid"]
        for query, expected in (
            ("", [first, second]), ("node=m1", [first]), (f"address={MAC}", [first]), ("shard=s1,s2", [second]),
            ("conductor_groups=g", []),
        ):  # fmt: skip
            self.assertEqual(expected, [group["uuid"] for group in self.get(f"/v1/portgroups?{query}")["portgroups"]], query)
        self.assert_refused(self.request("GET", f"/v1/portgroups?node=m1&address={MAC}"), 400, "together")
        self.assert_refused(self.request("GET", "/v1/portgroups?shard=a", version="1.105"), 406, "1.106")

    def test_ports_join_and_leave_groups(self) -> None:
        """A port joins a group of its own node; the group lists it and cannot be deleted until it leaves."""
        group = self.create_group(name="bond0")["uuid"]
        port = self.create_port(portgroup_uuid=group)
        self.assertEqual([port["uuid"]], [entry["uuid"] for entry in self.get("/v1/portgroups/bond0/ports", "1.24")["ports"]])
        self.assertEqual([port["uuid"]], [entry["uuid"] for entry in self.get("/v1/ports?portgroup=bond0", "1.24")["ports"]])
        self.assertEqual(MAC, self.get("/v1/portgroups/bond0/ports/detail")["ports"][0]["address"])
        self.assert_refused(self.request("DELETE", "/v1/portgroups/bond0"), 400, "ports")
        path = f"/v1/ports/{port['uuid']}"
        self.assertIsNone(self.patch(path, ("remove", "/portgroup_uuid")).json["portgroup_uuid"])
        self.assertEqual(204, self.delete("portgroups/bond0"))
        foreign = self.create_group(node_uuid=self.enroll("m2"))["uuid"]
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", foreign)), 400, "portgroup_uuid", "node")
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", UNKNOWN_UUID)), 400, "portgroup_uuid", UNKNOWN_UUID)
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", foreign), version="1.23"), 406, "1.24")

    def test_ports_of_a_group_have_one_physical_network(self) -> None:
        """A port with another physical network is a conflict."""
        group = self.create_group()["uuid"]
        self.create_port(portgroup_uuid=group, physical_network="a")
        other = self.create_port("52:54:00:aa:bb:cd", physical_network="b")["uuid"]
        self.assert_refused(self.patch(f"/v1/ports/{other}", ("add", "/portgroup_uuid", group)), 409, "physical_network")
        changes = (("add", "/portgroup_uuid", group), ("replace", "/physical_network", "a"))
        self.assertEqual(200, self.patch(f"/v1/ports/{other}", *changes).status)

    def test_network_of_grouped_ports_changes_with_the_group(self) -> None:
        """A group takes the network of its first port. Since 1.102, the ports change it only with the group."""
        group = self.create_group()["uuid"]
        path = f"/v1/ports/{self.create_port(portgroup_uuid=group, physical_network='a')['uuid']}"
        self.assertEqual("a", self.get(f"/v1/portgroups/{group}")["physical_network"])
        change = ("replace", "/physical_network", "b")
        self.assert_refused(self.patch(path, change), 400, "physical_network: cannot be changed", "port group")
        self.assertEqual(200, self.patch(f"/v1/portgroups/{group}", change).status)
        self.assertEqual("b", self.get(path)["physical_network"])
        refused = self.patch(path, ("replace", "/physical_network", "c"), version="1.101")
        self.assert_refused(refused, 409, "physical_network", "'b'")
        self.assertEqual(200, self.patch(path, ("remove", "/portgroup_uuid"), ("remove", "/physical_network")).status)
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", group)), 409, "physical_network", "'b'")

    def test_network_boot_needs_standalone_ports(self) -> None:
        """A new port that asks for network boot is a conflict in a group without standalone ports."""
        group = self.create_group(standalone_ports_supported=False)["uuid"]
        port = {"node_uuid": self.uuid, "portgroup_uuid": group, "address": MAC}
        self.assert_refused(self.post("ports", **port, pxe_enabled=True), 409, "doesn't support standalone ports")
        self.assertEqual([], self.get("/v1/ports")["ports"])
        self.create_port(portgroup_uuid=group, pxe_enabled=False)
        self.create_port("52:54:00:aa:bb:cd", portgroup_uuid=group)

    def test_connection_of_a_port_changes_only_in_some_states(self) -> None:
        """An instance may use the port, unless the node is in maintenance."""
        group, port = self.create_group()["uuid"], self.create_port()["uuid"]
        self.run_verbs("manage", "provide")
        join = ("add", "/portgroup_uuid", group)
        self.assert_refused(self.patch(f"/v1/ports/{port}", join), 409, "available", "manageable")
        self.assertEqual(200, self.patch(f"/v1/ports/{port}", ("add", "/extra/a", 1)).status)
        self.change(maintenance=True)
        self.assertEqual(200, self.patch(f"/v1/ports/{port}", join).status)

    def test_group_of_a_leased_node_cannot_change(self) -> None:
        """The error has the holder, the purpose of the lease, and Retry-After."""
        group = self.create_group(name="bond0")
        store = self.runtime.store
        store.take_lease(self.uuid, holder="other/1", purpose="a test", duration=60)
        for response in (
            self.post("portgroups", node_uuid=self.uuid),
            self.patch("/v1/portgroups/bond0", ("add", "/extra/a", 1)),
            self.request("DELETE", "/v1/portgroups/bond0"),
        ):
            self.assert_refused(response, 409, "other", "a test")
            self.assertIn("Retry-After", response.headers)
        self.assertEqual(group, self.get("/v1/portgroups/bond0"))


class TestShardsAndEvents(ResourceTestCase):
    def test_shards_are_counted(self) -> None:
        """Nodes without a shard are counted under "None"; nodes can be filtered by shards, or by having one."""
        for number, shard in enumerate(("a", "b", "b")):
            self.enroll(f"s{number}", shard=shard)
        expected = [{"name": "None", "count": 1}, {"name": "a", "count": 1}, {"name": "b", "count": 2}]
        self.assertEqual(expected, self.get("/v1/shards", "1.82")["shards"])
        for query, count in (("shard=a,c", 1), ("shard=a,b", 3), ("sharded=true", 3), ("sharded=false", 1)):
            self.assertEqual(count, len(self.get(f"/v1/nodes?{query}", "1.82")["nodes"]), query)
        self.assertEqual(404, self.request("GET", "/v1/shards/a").status)

    def test_events_of_the_network_service_are_accepted(self) -> None:
        """An event must have a known kind and the required fields, and no others."""
        event = {"event": "network.bind_port", "port_id": str(uuid.uuid4()), "mac_address": MAC, "status": "ACTIVE"}
        more = {"device_id": str(uuid.uuid4()), "binding:host_id": None, "binding:vnic_type": "baremetal"}
        self.assertEqual(204, self.post("events", "1.54", events=[event, {**event, **more}]).status)
        self.assert_refused(self.post("events", events=[]), 400, "events")
        self.assert_refused(self.post("events", events=[{**event, "event": "compute.x"}]), 400, "network.bind_port")
        self.assert_refused(self.post("events", events=[{**event, "bogus": 1}]), 400, "bogus")
        self.assert_refused(self.post("events", events=[{"event": "network.bind_port"}]), 400, "port_id")
        self.assert_refused(self.post("events"), 400, "events")
