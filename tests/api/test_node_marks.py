"""Retirement, protection and instance names of nodes, and filters of ports by their nodes."""

from __future__ import annotations

from tests.api.test_chassis_and_groups import MAC, ResourceTestCase

NODE_PATH = "/v1/nodes/m1"


class TestRetirementAndProtection(ResourceTestCase):
    def test_retired_reason_needs_retired(self) -> None:
        """The reason is set together with retired or later, and it is cleared with retired."""
        self.assert_refused(self.patch(NODE_PATH, ("add", "/retired_reason", "old")), 400, "retired_reason")
        self.assertTrue(self.patch(NODE_PATH, ("add", "/retired", True)).json["retired"])
        self.assertEqual("old", self.patch(NODE_PATH, ("add", "/retired_reason", "old")).json["retired_reason"])
        self.assertIsNone(self.patch(NODE_PATH, ("replace", "/retired", False)).json["retired_reason"])
        both = (("add", "/retired", True), ("add", "/retired_reason", "old"))
        self.assertEqual("old", self.patch(NODE_PATH, *both).json["retired_reason"])

    def test_available_node_cannot_be_retired(self) -> None:
        """A scheduler may be about to use the node."""
        self.run_verbs("manage", "provide")
        self.assert_refused(self.patch(NODE_PATH, ("add", "/retired", True)), 409, "available")
        self.assertEqual(200, self.patch(NODE_PATH, ("add", "/retired", False)).status)

    def test_node_retired_in_use_does_not_become_available(self) -> None:
        """After undeployment the node is manageable, with or without cleaning."""
        for clean in (True, False):
            self.change(automated_clean=clean)
            self.run_verbs("manage", "provide", "active") if clean else self.run_verbs("provide", "active")
            self.assertEqual(200, self.patch(NODE_PATH, ("add", "/retired", True)).status)
            self.assertEqual("manageable", self.run_verbs("deleted").provision_state)
            self.assertEqual(200, self.patch(NODE_PATH, ("add", "/retired", False)).status)

    def test_only_an_active_node_can_be_protected(self) -> None:
        """A node in another state is refused."""
        self.assert_refused(self.patch(NODE_PATH, ("add", "/protected", True)), 409, "enroll")
        self.assert_refused(self.patch(NODE_PATH, ("add", "/protected_reason", "x")), 400, "protected_reason")
        self.run_verbs("manage", "provide", "active")
        changed = self.patch(NODE_PATH, ("add", "/protected", True), ("add", "/protected_reason", "mine")).json
        self.assertIs(True, changed["protected"])
        self.assertEqual("mine", changed["protected_reason"])
        self.assertIsNone(self.patch(NODE_PATH, ("replace", "/protected", False)).json["protected_reason"])

    def test_instance_name_from_instance_info(self) -> None:
        """Older clients set display_name in ``instance_info``; the field instance_name takes precedence."""
        info = ("add", "/instance_info/display_name", "i1")
        self.assertEqual("i1", self.patch(NODE_PATH, info).json["instance_name"])
        self.assertEqual("i2", self.patch(NODE_PATH, ("replace", "/instance_name", "i2")).json["instance_name"])
        self.assertEqual("i2", self.patch(NODE_PATH, ("add", "/instance_info/display_name", "i3")).json["instance_name"])


class TestPortFilters(ResourceTestCase):
    def test_ports_are_filtered_by_their_nodes(self) -> None:
        """Filters are the shard and the conductor group of the node, and the description of the port in any case."""
        node = self.enroll("m2", shard="s2")
        first = self.create("ports", node_uuid=self.uuid, address=MAC, description="Uplink of rack 3")["uuid"]
        second = self.create("ports", node_uuid=node, address="52:54:00:aa:bb:cd")["uuid"]
        for query, expected, since in (
            ("shard=s1,s2", [second], 82), ("conductor_groups=g", [], 99), ("description_contains=RACK", [first], 97),
        ):  # fmt: skip
            self.assertEqual(expected, [port["uuid"] for port in self.get(f"/v1/ports?{query}", f"1.{since}")["ports"]], query)
            response = self.request("GET", f"/v1/ports?{query}", version=f"1.{since - 1}")
            self.assert_refused(response, 406, f"1.{since}")
        self.assert_refused(self.request("GET", "/v1/ports?node=m1&shard=a"), 400, "together")

    def test_port_can_be_excluded_from_dynamic_portgroups(self) -> None:
        """The field needs 1.111, and its default is true."""
        port = self.create("ports", node_uuid=self.uuid, address=MAC)
        self.assertIs(True, port["available_for_dynamic_portgroup"])
        path = f"/v1/ports/{port['uuid']}"
        self.assertIs(
            False,
            self.patch(path, ("replace", "/available_for_dynamic_portgroup", False)).json["available_for_dynamic_portgroup"],
        )
        self.assertNotIn("available_for_dynamic_portgroup", self.get(path, "1.110"))
