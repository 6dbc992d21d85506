"""Ports: creation, lists, changes and deletion."""

from __future__ import annotations

from typing import Any

from tests.fixtures.api import APIResponse, APITestCase

MAC = "52:54:00:aa:bb:cc"
UNKNOWN_UUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


class PortsTestCase(APITestCase):
    def setUp(self) -> None:
        super().setUp()
        self.owner = self.create_node(name="n1")

    def create(self, version: str = "1.115", **values: Any) -> APIResponse:
        """Send a request that creates a port of the node."""
        body = {"node_uuid": self.owner, "address": MAC, **values}
        return self.request("POST", "/v1/ports", {name: value for name, value in body.items() if value != "-"}, version=version)

    def create_port(self, **values: Any) -> str:
        """Create a port and return its UUID."""
        response = self.create(**values)
        self.assertEqual(201, response.status, response.raw)
        return str(response.json["uuid"])


class TestCreation(PortsTestCase):
    def test_new_port_is_located(self) -> None:
        """The address is stored in lower case, and fields that the request omits get their defaults."""
        response = self.create(address=MAC.upper(), extra={"a": 1})
        port = response.json
        self.assertEqual(201, response.status)
        self.assertEqual(MAC, port["address"])
        self.assertEqual({"a": 1}, port["extra"])
        self.assertIs(True, port["pxe_enabled"])
        self.assertEqual(f"http://localhost/v1/ports/{port['uuid']}", response.headers["Location"])
        self.assertEqual(port, self.get(f"/v1/ports/{port['uuid']}"))

    def test_node_of_a_port_is_named_once(self) -> None:
        """The node is named by UUID or, since 1.94, by name, and it must exist."""
        self.assertEqual(201, self.create(node_uuid="-", node_ident="n1").status)
        self.assert_refused(self.create("1.93", node_uuid="-", node_ident="n1"), 406, "1.94")
        self.assert_refused(self.create(node_ident="n1"), 400, "node_uuid", "not both")
        self.assert_refused(self.create(node_uuid="-"), 400, "node_uuid")
        self.assert_refused(self.create(node_uuid="n1"), 400, "node_uuid", "UUID")
        self.assert_refused(self.create(node_uuid=UNKNOWN_UUID), 400, "node_uuid", UNKNOWN_UUID)

    def test_address_is_a_unique_mac_address(self) -> None:
        """A missing or invalid address gets 400, and a duplicate is a conflict."""
        self.assert_refused(self.create(address="-"), 400, "address")
        for address in ("zz", "52-54-00-aa-bb-cc", "5254.00aa.bbcc", None, 5):
            self.assert_refused(self.create(address=address), 400, "address")
        self.create_port()
        self.assert_refused(self.create(), 409, "address", MAC)

    def test_first_versions_of_port_fields(self) -> None:
        """Earlier versions get 406."""
        for name, value, minor in (
            ("pxe_enabled", False, 19), ("local_link_connection", {}, 19), ("physical_network", "p", 34),
            ("is_smartnic", False, 53),
            ("name", "p1", 88), ("description", "d", 97), ("vendor", "v", 100), ("category", "c", 101),
        ):  # fmt: skip
            self.assert_refused(self.create(f"1.{minor - 1}", **{name: value}), 406, name, f"1.{minor}")

    def test_links_to_switches_are_checked(self) -> None:
        """A switch needs its port, a smart NIC needs a host, and an unmanaged link needs nothing."""
        good: list[dict[str, Any]] = [
            {}, {"switch_id": "00:11:22:33:44:55", "port_id": "Eth1", "switch_info": "sw"},
            {"switch_id": "0123456789ABCDEF", "port_id": "1"}, {"port_id": "p", "hostname": "h"}, {"network_type": "unmanaged"},
        ]  # fmt: skip
        for number, link in enumerate(good):
            self.create_port(address=f"52:54:00:aa:bb:0{number}", local_link_connection=link)
        bad: list[Any] = [
            {"switch_id": "00:11:22:33:44:55"}, {"port_id": "Eth1"}, {"switch_id": "x", "port_id": "1"}, {"bogus": "1"},
            {"port_id": 1}, [], "x", {"network_type": "other"},
        ]  # fmt: skip
        for link in bad:
            self.assert_refused(self.create(local_link_connection=link), 400, "local_link_connection")

    def test_network_type_of_a_link_needs_1_64(self) -> None:
        """Parts of a field have their own first versions."""
        link = {"network_type": "unmanaged"}
        self.assert_refused(self.create("1.63", local_link_connection=link), 406, "network_type", "1.64")

    def test_smart_nic_needs_its_port_and_host(self) -> None:
        """A smart NIC cannot be found without them."""
        link = {"port_id": "p", "switch_id": "00:11:22:33:44:55"}
        self.assert_refused(self.create(is_smartnic=True, local_link_connection=link), 400, "hostname")
        self.create_port(is_smartnic=True, local_link_connection={"port_id": "p", "hostname": "h"})

    def test_unknown_and_read_only_fields_are_refused(self) -> None:
        """Only the service writes read-only fields."""
        for name in ("bogus", "internal_info", "created_at"):
            self.assert_refused(self.create(**{name: {}}), 400, name)


class TestReading(PortsTestCase):
    def test_ports_are_listed_with_few_or_all_fields(self) -> None:
        """By default the list shows the address; a path or a parameter selects all fields."""
        uuid = self.create_port()
        self.assertEqual({"uuid", "address", "links"}, set(self.get("/v1/ports")["ports"][0]))
        whole = self.get(f"/v1/ports/{uuid}")
        for path in (
            "/v1/ports/detail",
            "/v1/ports?detail=1",
            "/v1/nodes/n1/ports/detail",
            f"/v1/nodes/{self.owner}/ports?detail=true",
        ):
            self.assertEqual([whole], self.get(path)["ports"])

    def test_ports_are_filtered(self) -> None:
        """Ports are filtered by address, and by the UUID or name of the node."""
        other = self.create_node(name="n2")
        first, second = self.create_port(), self.create_port(address="52:54:00:aa:bb:dd", node_uuid=other)
        for query, expected in (
            (f"address={MAC.upper()}", [first]), ("node=n2", [second]), (f"node={other}", [second]),
            (f"node_uuid={self.owner}", [first]),
            ("address=52:54:00:00:00:00", []), ("", [first, second]),
        ):  # fmt: skip
            self.assertEqual(expected, [port["uuid"] for port in self.get(f"/v1/ports?{query}")["ports"]], query)
        self.assertEqual([second], [port["uuid"] for port in self.get("/v1/nodes/n2/ports")["ports"]])
        self.assert_refused(self.request("GET", "/v1/ports?node=nope"), 404)
        self.assert_refused(self.request("GET", "/v1/nodes/nope/ports"), 404)
        self.assert_refused(self.request("GET", "/v1/ports?address=zz"), 400, "address")

    def test_next_link_has_the_path_of_the_request(self) -> None:
        """The link leads to the next page of the same list."""
        uuids = [self.create_port(address=f"52:54:00:aa:bb:0{number}") for number in range(3)]
        page = self.get("/v1/nodes/n1/ports?limit=2&fields=uuid")
        self.assertTrue(page["next"].startswith("http://localhost/v1/nodes/n1/ports?"))
        rest = self.get(page["next"].removeprefix("http://localhost"))
        self.assertEqual(uuids, [port["uuid"] for port in page["ports"] + rest["ports"]])

    def test_each_field_appears_with_its_version(self) -> None:
        """Later fields are not shown to clients of earlier versions."""
        uuid = self.create_port()
        self.assertEqual(
            {"uuid", "created_at", "updated_at", "address", "extra", "node_uuid", "links"},
            set(self.get(f"/v1/ports/{uuid}", "1.1")),
        )
        for name, minor in (("internal_info", 18), ("pxe_enabled", 19), ("portgroup_uuid", 24), ("physical_network", 34),
                            ("is_smartnic", 53),
                            ("name", 88), ("description", 97), ("vendor", 100), ("category", 101)):  # fmt: skip
            self.assertNotIn(name, self.get(f"/v1/ports/{uuid}", version=f"1.{minor - 1}"))
            self.assertIn(name, self.get(f"/v1/ports/{uuid}", version=f"1.{minor}"))
        self.assert_refused(self.request("GET", "/v1/ports?fields=name", version="1.87"), 406, "1.88")

    def test_port_is_found_by_uuid_and_name(self) -> None:
        """The address is a filter and not an identifier."""
        uuid = self.create_port(name="p1")
        self.assertEqual(uuid, self.get("/v1/ports/p1")["uuid"])
        self.assert_refused(self.request("GET", f"/v1/ports/{MAC}"), 400, "port")
        self.assert_refused(self.request("GET", "/v1/ports/nope"), 404)


class TestChanging(PortsTestCase):
    def test_fields_are_changed(self) -> None:
        """The response is the changed port."""
        uuid = self.create_port()
        response = self.patch(
            f"/v1/ports/{uuid}",
            ("replace", "/address", "52:54:00:AA:BB:FF"),
            ("add", "/extra/a", 1),
            ("replace", "/pxe_enabled", "no"),
        )
        self.assertEqual(200, response.status)
        self.assertEqual("52:54:00:aa:bb:ff", response.json["address"])
        self.assertEqual({"a": 1}, response.json["extra"])
        self.assertIs(False, response.json["pxe_enabled"])
        self.assertTrue(self.patch(f"/v1/ports/{uuid}", ("remove", "/pxe_enabled")).json["pxe_enabled"])

    def test_port_cannot_move_to_another_node(self) -> None:
        """A port is changed under the lease of its node, so it cannot move to another node."""
        uuid, other = self.create_port(), self.create_node(name="n2")
        self.assert_refused(self.patch(f"/v1/ports/{uuid}", ("replace", "/node_uuid", other)), 400, "node_uuid")

    def test_invalid_changes_are_refused(self) -> None:
        """Required fields cannot be removed, and read-only fields and invalid values are refused."""
        path = f"/v1/ports/{self.create_port()}"
        for operation in (
            ("remove", "/address"), ("remove", "/node_uuid"), ("replace", "/address", "x"), ("replace", "/uuid", UNKNOWN_UUID),
            ("add", "/bogus", 1),
            ("replace", "/physical_network", ""), ("remove", "/extra/x"),
            ("replace", "/internal_info", {}),
        ):  # fmt: skip
            self.assert_refused(self.patch(path, operation), 400)
        self.assert_refused(self.patch(path, ("replace", "/pxe_enabled", False), version="1.18"), 406, "1.19")

    def test_patch_without_change_succeeds(self) -> None:
        """A patch with the current value succeeds."""
        self.assertEqual(200, self.patch(f"/v1/ports/{self.create_port()}", ("replace", "/address", MAC)).status)


class TestDeletion(PortsTestCase):
    def test_deleted_port_is_not_found(self) -> None:
        """Deletion needs the UUID, and the second deletion gets 404."""
        uuid = self.create_port(name="p1")
        self.assert_refused(self.request("DELETE", "/v1/ports/p1"), 400, "UUID")
        self.assertEqual(204, self.request("DELETE", f"/v1/ports/{uuid}").status)
        self.assert_refused(self.request("DELETE", f"/v1/ports/{uuid}"), 404)
