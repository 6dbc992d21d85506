"""Marks of nodes, the names of their instances, and filters that ask for a node's surroundings."""

from __future__ import annotations

from tests.api.test_chassis_and_groups import MAC, ResourceTestCase

PATH = "/v1/nodes/m1"


class TestMarks(ResourceTestCase):
    def test_a_reason_goes_with_its_mark(self) -> None:
        """It is given together with the mark or later, and is gone with it."""
        self.assert_refused(self.patch(PATH, ("add", "/retired_reason", "old")), 400, "retired_reason")
        self.assertTrue(self.patch(PATH, ("add", "/retired", True)).json["retired"])
        self.assertEqual("old", self.patch(PATH, ("add", "/retired_reason", "old")).json["retired_reason"])
        self.assertIsNone(self.patch(PATH, ("replace", "/retired", False)).json["retired_reason"])
        both = (("add", "/retired", True), ("add", "/retired_reason", "old"))
        self.assertEqual("old", self.patch(PATH, *both).json["retired_reason"])

    def test_an_available_node_is_not_retired(self) -> None:
        """A scheduler may be about to use it; one that was retired before stays so."""
        self.bring("manage", "provide")
        self.assert_refused(self.patch(PATH, ("add", "/retired", True)), 409, "available")
        self.assertEqual(200, self.patch(PATH, ("add", "/retired", False)).status)

    def test_a_node_that_was_retired_in_use_does_not_become_available(self) -> None:
        """Undeployed and cleaned, or not cleaned, it is manageable."""
        for clean in (True, False):
            self.change(automated_clean=clean)
            self.bring("manage", "provide", "active") if clean else self.bring("provide", "active")
            self.assertEqual(200, self.patch(PATH, ("add", "/retired", True)).status)
            self.assertEqual("manageable", self.bring("deleted").provision_state)
            self.assertEqual(200, self.patch(PATH, ("add", "/retired", False)).status)

    def test_only_a_node_in_use_is_protected(self) -> None:
        """There is nothing else to protect."""
        self.assert_refused(self.patch(PATH, ("add", "/protected", True)), 409, "enroll")
        self.assert_refused(self.patch(PATH, ("add", "/protected_reason", "x")), 400, "protected_reason")
        self.bring("manage", "provide", "active")
        changed = self.patch(PATH, ("add", "/protected", True), ("add", "/protected_reason", "mine")).json
        self.assertEqual((True, "mine"), (changed["protected"], changed["protected_reason"]))
        self.assertIsNone(self.patch(PATH, ("replace", "/protected", False)).json["protected_reason"])

    def test_an_instance_is_called_as_older_clients_say(self) -> None:
        """They put its name into ``instance_info``; a name that is set apart wins."""
        info = ("add", "/instance_info/display_name", "i1")
        self.assertEqual("i1", self.patch(PATH, info).json["instance_name"])
        self.assertEqual("i2", self.patch(PATH, ("replace", "/instance_name", "i2")).json["instance_name"])
        self.assertEqual("i2", self.patch(PATH, ("add", "/instance_info/display_name", "i3")).json["instance_name"])


class TestPortFilters(ResourceTestCase):
    def test_ports_are_filtered_by_what_their_nodes_are(self) -> None:
        """By shard and group of conductors; by their own description, in either case of letters."""
        node = self.enrol("m2", shard="s2")
        one = self.made("ports", node_uuid=self.uuid, address=MAC, description="Uplink of rack 3")["uuid"]
        two = self.made("ports", node_uuid=node, address="52:54:00:aa:bb:cd")["uuid"]
        for query, expected, since in (
            ("shard=s1,s2", [two], 82), ("conductor_groups=g", [], 99), ("description_contains=RACK", [one], 97),
        ):  # fmt: skip
            self.assertEqual(expected, [port["uuid"] for port in self.get(f"/v1/ports?{query}", f"1.{since}")["ports"]], query)
            answer = self.request("GET", f"/v1/ports?{query}", version=f"1.{since - 1}")
            self.assert_refused(answer, 406, f"1.{since}")
        self.assert_refused(self.request("GET", "/v1/ports?node=m1&shard=a"), 400, "together")

    def test_a_port_may_be_kept_out_of_groups_that_are_made_as_needed(self) -> None:
        """Since 1.111; before, it may join them."""
        port = self.made("ports", node_uuid=self.uuid, address=MAC)
        self.assertIs(True, port["available_for_dynamic_portgroup"])
        path = f"/v1/ports/{port['uuid']}"
        self.assertIs(
            False,
            self.patch(path, ("replace", "/available_for_dynamic_portgroup", False)).json["available_for_dynamic_portgroup"],
        )
        self.assertNotIn("available_for_dynamic_portgroup", self.get(path, "1.110"))
