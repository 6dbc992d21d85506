"""Chassis and the nodes in them; port groups and the ports in them."""

from __future__ import annotations

import uuid
from typing import Any

from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import Answer

UNKNOWN = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
MAC = "52:54:00:aa:bb:cc"


class ResourceTestCase(MachineAPITestCase):
    def made(self, path: str, version: str = "1.115", **values: Any) -> Any:
        """Create something, which has to work; give it back."""
        answer = self.request("POST", f"/v1/{path}", values, version=version)
        self.assertEqual(201, answer.status, answer.raw)
        self.assertEqual(f"http://localhost/v1/{path}/{answer.json['uuid']}", answer.headers["Location"])
        return answer.json

    def post(self, path: str, version: str = "1.115", **values: Any) -> Answer:
        return self.request("POST", f"/v1/{path}", values, version=version)

    def delete(self, path: str, version: str = "1.115") -> int:
        return self.request("DELETE", f"/v1/{path}", version=version).status


class TestChassis(ResourceTestCase):
    def test_a_chassis_is_made_shown_changed_and_deleted(self) -> None:
        """It has a description and anything else, and its links lead to its nodes."""
        chassis = self.made("chassis", "1.1", description="row 3", extra={"a": [1]})
        path = f"/v1/chassis/{chassis['uuid']}"
        self.assertEqual(("row 3", {"a": [1]}, None), (chassis["description"], chassis["extra"], chassis["updated_at"]))
        self.assertEqual(f"http://localhost{path}/nodes", chassis["nodes"][0]["href"])
        self.assertEqual(chassis, self.get(path, "1.1"))
        changed = self.patch(path, ("replace", "/description", "row 4"), ("add", "/extra/a/-", 2), ("add", "/extra/b", 1)).json
        self.assertEqual(("row 4", {"a": [1, 2], "b": 1}), (changed["description"], changed["extra"]))
        self.assertIsNotNone(changed["updated_at"])
        self.assertIsNone(self.patch(path, ("remove", "/description")).json["description"])
        self.assertEqual(204, self.delete(f"chassis/{chassis['uuid']}"))
        self.assert_refused(self.request("GET", path), 404, chassis["uuid"])

    def test_chassis_are_listed(self) -> None:
        """Briefly, whole, by selected fields, and a page at a time."""
        made = [self.made("chassis", description=str(number)) for number in range(3)]
        brief = self.get("/v1/chassis", "1.1")["chassis"]
        self.assertEqual([one["uuid"] for one in made], [one["uuid"] for one in brief])
        self.assertEqual({"uuid", "description", "links"}, set(brief[0]))
        self.assertEqual(made, self.get("/v1/chassis/detail", "1.1")["chassis"])
        self.assertEqual(made, self.get("/v1/chassis?detail=True", "1.43")["chassis"])
        for fields in ("extra", "extra,links"):
            self.assertEqual({"extra", "links"}, set(self.get(f"/v1/chassis?fields={fields}", "1.8")["chassis"][0]))
        page = self.get("/v1/chassis?limit=2&sort_key=description&sort_dir=desc")
        self.assertEqual(["2", "1"], [one["description"] for one in page["chassis"]])
        self.assertEqual(
            ["0"], [one["description"] for one in self.get(page["next"].removeprefix("http://localhost"))["chassis"]]
        )
        self.assert_refused(self.request("GET", "/v1/chassis?sort_key=extra"), 400, "sort_key")

    def test_what_a_chassis_is_not(self) -> None:
        """Unknown fields, wrong types, a UUID that is taken and a name in the path are refused."""
        chassis = self.made("chassis")
        self.assert_refused(self.post("chassis", bogus=1), 400, "bogus")
        self.assert_refused(self.post("chassis", extra=[]), 400, "extra")
        self.assert_refused(self.post("chassis", description="x" * 256), 400, "description")
        self.assert_refused(self.post("chassis", uuid=chassis["uuid"]), 409, chassis["uuid"])
        self.assert_refused(self.request("GET", "/v1/chassis/row3"), 400, "row3", "UUID")
        self.assert_refused(self.patch(f"/v1/chassis/{chassis['uuid']}", ("add", "/uuid", UNKNOWN)), 400, "uuid")

    def test_nodes_stand_in_a_chassis(self) -> None:
        """A chassis lists its nodes, is filtered for, and stays as long as there are any."""
        chassis = self.made("chassis")["uuid"]
        inside = self.enrol("m2", chassis_uuid=chassis)
        self.assertEqual([inside], [one["uuid"] for one in self.get(f"/v1/chassis/{chassis}/nodes", "1.1")["nodes"]])
        self.assertEqual([inside], [one["uuid"] for one in self.get(f"/v1/nodes?chassis_uuid={chassis}", "1.1")["nodes"]])
        self.assertIn("driver_info", self.get(f"/v1/chassis/{chassis}/nodes/detail", "1.1")["nodes"][0])
        self.assert_refused(self.request("DELETE", f"/v1/chassis/{chassis}"), 400, "nodes")
        path = f"/v1/nodes/{inside}"
        self.assert_refused(self.patch(path, ("remove", "/chassis_uuid"), version="1.24"), 406, "1.25")
        self.assertIsNone(self.patch(path, ("remove", "/chassis_uuid"), version="1.25").json["chassis_uuid"])
        self.assertEqual(204, self.delete(f"chassis/{chassis}"))
        self.assert_refused(self.patch(path, ("add", "/chassis_uuid", UNKNOWN)), 400, "chassis_uuid", UNKNOWN)
        self.assert_refused(self.post("nodes", driver="fake-hardware", chassis_uuid=UNKNOWN), 400, "chassis_uuid")
        self.assert_refused(self.request("GET", f"/v1/chassis/{UNKNOWN}/nodes"), 404, UNKNOWN)


class TestPortgroups(ResourceTestCase):
    def group(self, version: str = "1.115", **values: Any) -> Any:
        return self.made("portgroups", version, **{"node_uuid": self.uuid, **values})

    def port(self, address: str = MAC, **values: Any) -> Any:
        return self.made("ports", node_uuid=self.uuid, address=address, **values)

    def test_a_group_is_made_shown_changed_and_deleted(self) -> None:
        """By UUID or name; what is not given has its default."""
        group = self.group(name="bond0", address=MAC.upper(), properties={"miimon": "100"})
        self.assertEqual((MAC, "active-backup", True), (group["address"], group["mode"], group["standalone_ports_supported"]))
        for ident in (group["uuid"], "bond0"):
            self.assertEqual(group, self.get(f"/v1/portgroups/{ident}"))
        changed = self.patch("/v1/portgroups/bond0", ("replace", "/mode", "802.3ad"), ("remove", "/address")).json
        self.assertEqual(("802.3ad", None), (changed["mode"], changed["address"]))
        self.assert_refused(self.patch("/v1/portgroups/bond0", ("remove", "/mode")), 400, "mode")
        self.assertEqual(204, self.delete("portgroups/bond0"))
        self.assertEqual(404, self.delete("portgroups/bond0"))

    def test_a_group_belongs_to_a_node(self) -> None:
        """By its UUID, which has to be there; it does not move, and it goes with its node."""
        self.assert_refused(self.post("portgroups"), 400, "node_uuid")
        self.assert_refused(self.post("portgroups", node_uuid="m1"), 400, "node_uuid", "UUID")
        self.assert_refused(self.post("portgroups", node_uuid=UNKNOWN), 400, "node_uuid", UNKNOWN)
        group = self.group()["uuid"]
        self.assert_refused(self.patch(f"/v1/portgroups/{group}", ("replace", "/node_uuid", UNKNOWN)), 400, "node_uuid")
        self.assertEqual([group], [one["uuid"] for one in self.get(f"/v1/nodes/{self.uuid}/portgroups", "1.24")["portgroups"]])
        self.assertEqual(1, len(self.get("/v1/nodes/m1/portgroups/detail")["portgroups"]))
        self.assertEqual(204, self.delete("nodes/m1"))
        self.assertEqual(404, self.request("GET", f"/v1/portgroups/{group}").status)

    def test_names_and_addresses_are_unique(self) -> None:
        """A taken one is a conflict, and what cannot be a name is refused."""
        self.group(name="bond0", address=MAC)
        self.assert_refused(self.post("portgroups", node_uuid=self.uuid, name="bond0"), 409, "name")
        self.assert_refused(self.post("portgroups", node_uuid=self.uuid, address=MAC), 409, "address")
        for name in ("a b", "", UNKNOWN):
            self.assert_refused(self.post("portgroups", node_uuid=self.uuid, name=name), 400, "name")

    def test_fields_came_with_versions(self) -> None:
        """They are neither taken nor shown before."""
        for name, value, minor in (
            ("mode", "802.3ad", 26), ("properties", {"a": 1}, 26), ("physical_network", "p", 102), ("category", "c", 103),
        ):  # fmt: skip
            older = f"1.{minor - 1}"
            self.assert_refused(self.post("portgroups", older, node_uuid=self.uuid, **{name: value}), 406, name, f"1.{minor}")
            group = self.group(f"1.{minor}", **{name: value})
            self.assertEqual(value, group[name])
            self.assertNotIn(name, self.get(f"/v1/portgroups/{group['uuid']}", older))
        self.assertNotIn("dynamic_portgroup", self.get(f"/v1/portgroups/{group['uuid']}", "1.110"))
        self.assertIs(False, self.get(f"/v1/portgroups/{group['uuid']}", "1.111")["dynamic_portgroup"])

    def test_groups_are_filtered(self) -> None:
        """By node, address, shard or group of conductors, one at a time."""
        other = self.enrol("m2", shard="s2")
        one, two = self.group(address=MAC)["uuid"], self.group(node_uuid=other)["uuid"]
        for query, expected in (
            ("", [one, two]), ("node=m1", [one]), (f"address={MAC}", [one]), ("shard=s1,s2", [two]), ("conductor_groups=g", []),
        ):  # fmt: skip
            self.assertEqual(expected, [group["uuid"] for group in self.get(f"/v1/portgroups?{query}")["portgroups"]], query)
        self.assert_refused(self.request("GET", f"/v1/portgroups?node=m1&address={MAC}"), 400, "together")
        self.assert_refused(self.request("GET", "/v1/portgroups?shard=a", version="1.105"), 406, "1.106")

    def test_ports_join_and_leave_groups(self) -> None:
        """A port joins a group of its own node; the group lists it, and stays as long as there is one."""
        group = self.group(name="bond0")["uuid"]
        port = self.port(portgroup_uuid=group)
        self.assertEqual([port["uuid"]], [one["uuid"] for one in self.get("/v1/portgroups/bond0/ports", "1.24")["ports"]])
        self.assertEqual([port["uuid"]], [one["uuid"] for one in self.get("/v1/ports?portgroup=bond0", "1.24")["ports"]])
        self.assertEqual(MAC, self.get("/v1/portgroups/bond0/ports/detail")["ports"][0]["address"])
        self.assert_refused(self.request("DELETE", "/v1/portgroups/bond0"), 400, "ports")
        path = f"/v1/ports/{port['uuid']}"
        self.assertIsNone(self.patch(path, ("remove", "/portgroup_uuid")).json["portgroup_uuid"])
        self.assertEqual(204, self.delete("portgroups/bond0"))
        foreign = self.group(node_uuid=self.enrol("m2"))["uuid"]
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", foreign)), 400, "portgroup_uuid", "node")
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", UNKNOWN)), 400, "portgroup_uuid", UNKNOWN)
        self.assert_refused(self.patch(path, ("add", "/portgroup_uuid", foreign), version="1.23"), 406, "1.24")

    def test_all_ports_of_a_group_are_on_one_network(self) -> None:
        """Another physical network is a conflict."""
        group = self.group()["uuid"]
        self.port(portgroup_uuid=group, physical_network="a")
        other = self.port("52:54:00:aa:bb:cd", physical_network="b")["uuid"]
        self.assert_refused(self.patch(f"/v1/ports/{other}", ("add", "/portgroup_uuid", group)), 409, "physical_network")
        changes = (("add", "/portgroup_uuid", group), ("replace", "/physical_network", "a"))
        self.assertEqual(200, self.patch(f"/v1/ports/{other}", *changes).status)

    def test_ports_are_connected_otherwise_only_in_some_states(self) -> None:
        """What a running instance may use is kept, unless the node is in maintenance."""
        group, port = self.group()["uuid"], self.port()["uuid"]
        self.bring("manage", "provide")
        join = ("add", "/portgroup_uuid", group)
        self.assert_refused(self.patch(f"/v1/ports/{port}", join), 409, "available", "manageable")
        self.assertEqual(200, self.patch(f"/v1/ports/{port}", ("add", "/extra/a", 1)).status)
        self.change(maintenance=True)
        self.assertEqual(200, self.patch(f"/v1/ports/{port}", join).status)

    def test_a_group_of_a_node_that_is_held_is_not_written(self) -> None:
        """Who holds it, and for what, is told, and when to come back."""
        group = self.group(name="bond0")
        store = self.runtime.store
        store.take_lease(self.uuid, holder="other/1", purpose="a test", duration=60)
        for answer in (
            self.post("portgroups", node_uuid=self.uuid),
            self.patch("/v1/portgroups/bond0", ("add", "/extra/a", 1)),
            self.request("DELETE", "/v1/portgroups/bond0"),
        ):
            self.assert_refused(answer, 409, "other", "a test")
            self.assertIn("Retry-After", answer.headers)
        self.assertEqual(group, self.get("/v1/portgroups/bond0"))


class TestShardsAndEvents(ResourceTestCase):
    def test_shards_are_counted(self) -> None:
        """Each with its nodes, and those without under "None"; nodes are filtered by several shards, or by having one."""
        for number, shard in enumerate(("a", "b", "b")):
            self.enrol(f"s{number}", shard=shard)
        expected = [{"name": "None", "count": 1}, {"name": "a", "count": 1}, {"name": "b", "count": 2}]
        self.assertEqual(expected, self.get("/v1/shards", "1.82")["shards"])
        for query, count in (("shard=a,c", 1), ("shard=a,b", 3), ("sharded=true", 3), ("sharded=false", 1)):
            self.assertEqual(count, len(self.get(f"/v1/nodes?{query}", "1.82")["nodes"]), query)
        self.assertEqual(404, self.request("GET", "/v1/shards/a").status)

    def test_events_of_a_network_service_are_taken(self) -> None:
        """They are of a known kind and have what is needed; nothing else is taken."""
        event = {"event": "network.bind_port", "port_id": str(uuid.uuid4()), "mac_address": MAC, "status": "ACTIVE"}
        more = {"device_id": str(uuid.uuid4()), "binding:host_id": None, "binding:vnic_type": "baremetal"}
        self.assertEqual(204, self.post("events", "1.54", events=[event, {**event, **more}]).status)
        self.assert_refused(self.post("events", events=[]), 400, "events")
        self.assert_refused(self.post("events", events=[{**event, "event": "compute.x"}]), 400, "network.bind_port")
        self.assert_refused(self.post("events", events=[{**event, "bogus": 1}]), 400, "bogus")
        self.assert_refused(self.post("events", events=[{"event": "network.bind_port"}]), 400, "port_id")
        self.assert_refused(self.post("events"), 400, "events")
