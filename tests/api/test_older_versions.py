"""What requests of earlier microversions get, and refusals as clients know them."""

from __future__ import annotations

from uuid import uuid4

from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import APITestCase

LINK = {"port_id": "1", "switch_id": "00:11:22:33:44:55"}


class TestOlderVersions(APITestCase):
    def test_a_path_of_later_has_no_methods_yet(self) -> None:
        """A method that a path does not take is 405 only where the path is served."""
        for method, path, since in (("PUT", "vmedia", 89), ("PATCH", "allocation", 52), ("POST", "firmware", 86)):
            path = f"/v1/nodes/{uuid4()}/{path}"
            self.assert_refused(self.request(method, path, {}, version=f"1.{since - 1}"), 404, f"1.{since}")
            self.assertEqual(405, self.request(method, path, {}, version=f"1.{since}").status)

    def test_details_before_their_version_are_a_wrong_parameter(self) -> None:
        """Clients know 400 for detail, and 406 for other parameters of later."""
        for path in ("nodes", "ports", "chassis", "portgroups"):
            self.assert_refused(self.request("GET", f"/v1/{path}?detail=true", version="1.42"), 400, "detail", "1.43")
            self.get(f"/v1/{path}?detail=true", version="1.43")
        self.assert_refused(self.request("GET", "/v1/nodes?shard=a", version="1.81"), 406, "1.82")

    def test_some_fields_before_their_version_are_a_wrong_request(self) -> None:
        """As clients know it of allocations and runbooks; of others it is 406."""
        steps = [{"interface": "bios", "step": "x", "args": {}, "order": 1}]
        for method, path, body, minor, word in (
            ("POST", "allocations", {"resource_class": "x", "node": "n"}, 57, "1.58"),
            ("GET", "allocations?fields=owner", None, 59, "1.60"),
            ("POST", "runbooks", {"name": "CUSTOM_R", "steps": steps, "description": "x"}, 111, "1.112"),
            ("GET", "runbooks?fields=traits", None, 111, "1.112"),
        ):
            self.assert_refused(self.request(method, f"/v1/{path}", body, version=f"1.{minor}"), 400, "does not have it", word)
        self.assert_refused(self.request("GET", "/v1/nodes?fields=owner", version="1.49"), 406, "1.50")

    def test_a_node_may_be_made_as_another_one_is(self) -> None:
        """Its boot mode, secure boot and console are said then, and found out and changed otherwise afterwards."""
        said = {"boot_mode": "uefi", "secure_boot": True, "console_enabled": True}
        made = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", **said}).json
        self.assertEqual(said, {name: made[name] for name in said})
        for name, value in said.items():
            self.assert_refused(self.patch(f"/v1/nodes/{made['uuid']}", ("replace", f"/{name}", value)), 400, name)
        body = {"driver": "fake-hardware", "boot_mode": "uefi"}
        self.assert_refused(self.request("POST", "/v1/nodes", body, version="1.74"), 406, "1.75")
        self.assert_refused(self.request("POST", "/v1/nodes", {**body, "boot_mode": "x"}), 400, "boot_mode")

    def test_a_compatibility_version_is_not_advertised(self) -> None:
        """The lowest version may continue an inspection, and its index says nothing of that."""
        for minor, named in ((1, False), (83, False), (84, True)):
            self.assertEqual(named, "continue_inspection" in self.get("/v1", version=f"1.{minor}"), minor)
        for minor, status in ((1, 400), (2, 404), (83, 404), (84, 400)):
            answer = self.request("POST", "/v1/continue_inspection", {}, version=f"1.{minor}")
            self.assertEqual(status, answer.status, minor)

    def test_host_names_of_nodes_had_small_letters(self) -> None:
        """Before 1.10 a name was a host name."""
        for name, minor, status in (("Node-A", 9, 400), ("node-a", 9, 201), ("Node-B", 10, 201)):
            body = {"driver": "fake-hardware", "name": name}
            self.assertEqual(status, self.request("POST", "/v1/nodes", body, version=f"1.{minor}").status, name)

    def test_escapes_are_those_of_json_pointers(self) -> None:
        """Since 1.98 ``~1`` is a slash, ``~0`` a tilde, and another tilde is refused; before, tildes are tildes."""
        uuid = self.node()
        for path in ("/extra/a~2", "/extra/a~"):
            self.assert_refused(self.patch(f"/v1/nodes/{uuid}", ("add", path, 1)), 400, "~0")
        for minor, names in (("1.97", {"a~1b~0": 1}), ("1.98", {"a/b~": 1})):
            self.assertEqual(200, self.patch(f"/v1/nodes/{uuid}", ("replace", "/extra", {})).status)
            answer = self.patch(f"/v1/nodes/{uuid}", ("add", "/extra/a~1b~0", 1), version=minor)
            self.assertEqual(names, answer.json["extra"])


class TestRefusals(MachineAPITestCase):
    def test_a_marker_that_is_gone_is_not_found(self) -> None:
        """In every listing."""
        hardware, policy = ("nodes", "ports", "chassis", "portgroups"), ("allocations", "deploy_templates", "runbooks")
        for path in (*hardware, *policy, "inspection_rules"):
            self.assert_refused(self.request("GET", f"/v1/{path}?marker={uuid4()}"), 404, "marker")

    def test_what_belongs_to_a_node_stays_with_it(self) -> None:
        """A patch may say so; another node is refused."""
        mine, other = self.node(), self.node()
        bodies = {
            "ports": {"address": "52:54:00:00:00:09"},
            "portgroups": {},
            "volume/connectors": {"type": "iqn", "connector_id": "q"},
        }
        for path, body in bodies.items():
            made = self.request("POST", f"/v1/{path}", {**body, "node_uuid": mine})
            one = f"/v1/{path}/{made.json['uuid']}"
            self.assertNotIn(self.patch(one, ("replace", "/node_uuid", mine)).status, (400, 500), path)
            self.assert_refused(self.patch(one, ("replace", "/node_uuid", other)), 400, "node_uuid", mine)
            self.assert_refused(self.patch(one, ("remove", "/node_uuid")), 400, "node_uuid")

    def test_nodes_of_a_chassis_are_filtered_as_all_nodes_are(self) -> None:
        """A chassis that is not there is not found, and one that is has nodes with names and drivers."""
        self.assert_refused(self.request("GET", f"/v1/nodes?chassis_uuid={uuid4()}"), 404, "chassis")
        chassis = self.request("POST", "/v1/chassis", {}).json["uuid"]
        for driver in ("fake-hardware", "redfish"):
            self.node(driver=driver, chassis_uuid=chassis)
        for path in ("nodes", "nodes/detail"):
            for query, expected in (("", 2), ("?driver=redfish", 1), ("?associated=true", 0)):
                self.assertEqual(expected, len(self.get(f"/v1/chassis/{chassis}/{path}{query}")["nodes"]), query)

    def test_a_smart_nic_may_be_plugged_in_later(self) -> None:
        """Its link is checked when it has one."""
        body = {"address": "52:54:00:00:00:01", "node_uuid": self.node(), "is_smartnic": True}
        made = self.request("POST", "/v1/ports", body)
        self.assertEqual(201, made.status, made.raw)
        answer = self.patch(f"/v1/ports/{made.json['uuid']}", ("add", "/local_link_connection", LINK))
        self.assert_refused(answer, 400, "hostname")

    def test_network_data_has_its_three_lists(self) -> None:
        """As metadata services have it; none at all is fine."""
        whole = {"links": [{"id": "a"}], "networks": [], "services": []}
        uuid = self.node(network_data=whole)
        for wrong, word in ((["links"], "object"), ({"links": []}, "networks"), ({**whole, "links": [1]}, "links")):
            answer = self.patch(f"/v1/nodes/{uuid}", ("replace", "/network_data", wrong))
            self.assert_refused(answer, 400, "network_data", word)
        self.assertEqual({}, self.patch(f"/v1/nodes/{uuid}", ("replace", "/network_data", {})).json["network_data"])
