"""Requests of earlier microversions, and errors that clients of Ironic match."""

from __future__ import annotations

from uuid import uuid4

from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import APITestCase

LINK = {"port_id": "1", "switch_id": "00:11:22:33:44:55"}


class TestOlderVersions(APITestCase):
    def test_newer_path_is_not_found(self) -> None:
        """The status for an unknown method is 405 only if the path exists in the requested microversion, else 404."""
        for method, path, since in (("PUT", "vmedia", 89), ("PATCH", "allocation", 52), ("POST", "firmware", 86)):
            path = f"/v1/nodes/{uuid4()}/{path}"
            self.assert_refused(self.request(method, path, {}, version=f"1.{since - 1}"), 404, f"1.{since}")
            self.assertEqual(405, self.request(method, path, {}, version=f"1.{since}").status)

    def test_newer_detail_parameter_gets_400(self) -> None:
        """The status is 400 for the parameter detail, and 406 for other parameters of later microversions."""
        for path in ("nodes", "ports", "chassis", "portgroups"):
            self.assert_refused(self.request("GET", f"/v1/{path}?detail=true", version="1.42"), 400, "detail", "1.43")
            self.get(f"/v1/{path}?detail=true", version="1.43")
        self.assert_refused(self.request("GET", "/v1/nodes?shard=a", version="1.81"), 406, "1.82")

    def test_newer_fields_of_some_resources_get_400(self) -> None:
        """The status is 400 for fields of allocations and runbooks, and 406 for those of other resources."""
        steps = [{"interface": "bios", "step": "x", "args": {}, "order": 1}]
        for method, path, body, minor, word in (
            ("POST", "allocations", {"resource_class": "x", "node": "n"}, 57, "1.58"),
            ("GET", "allocations?fields=owner", None, 59, "1.60"),
            ("POST", "runbooks", {"name": "CUSTOM_R", "steps": steps, "description": "x"}, 111, "1.112"),
            ("GET", "runbooks?fields=traits", None, 111, "1.112"),
        ):
            self.assert_refused(self.request(method, f"/v1/{path}", body, version=f"1.{minor}"), 400, "does not have it", word)
        self.assert_refused(self.request("GET", "/v1/nodes?fields=owner", version="1.49"), 406, "1.50")

    def test_some_fields_can_be_set_only_at_creation(self) -> None:
        """Boot mode, secure boot and console can be set in a new node. Later they have requests of their own."""
        initial = {"boot_mode": "uefi", "secure_boot": True, "console_enabled": True}
        made = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", **initial}).json
        self.assertEqual(initial, {name: made[name] for name in initial})
        for name, value in initial.items():
            self.assert_refused(self.patch(f"/v1/nodes/{made['uuid']}", ("replace", f"/{name}", value)), 400, name)
        body = {"driver": "fake-hardware", "boot_mode": "uefi"}
        self.assert_refused(self.request("POST", "/v1/nodes", body, version="1.74"), 406, "1.75")
        self.assert_refused(self.request("POST", "/v1/nodes", {**body, "boot_mode": "x"}), 400, "boot_mode")

    def test_compatibility_version_is_not_listed(self) -> None:
        """Version 1.1 can continue an inspection, as versions since 1.84, but its index does not list the resource."""
        for minor, named in ((1, False), (83, False), (84, True)):
            self.assertEqual(named, "continue_inspection" in self.get("/v1", version=f"1.{minor}"), minor)
        for minor, status in ((1, 400), (2, 404), (83, 404), (84, 400)):
            response = self.request("POST", "/v1/continue_inspection", {}, version=f"1.{minor}")
            self.assertEqual(status, response.status, minor)

    def test_names_of_nodes_are_host_names_before_1_10(self) -> None:
        """Before 1.10 a name must be a host name in lower case."""
        for name, minor, status in (("Node-A", 9, 400), ("node-a", 9, 201), ("Node-B", 10, 201)):
            body = {"driver": "fake-hardware", "name": name}
            self.assertEqual(status, self.request("POST", "/v1/nodes", body, version=f"1.{minor}").status, name)

    def test_paths_have_json_pointer_escapes_since_1_98(self) -> None:
        """Since 1.98 ``~1`` means a slash, ``~0`` a tilde, and other tildes are refused. Before, a tilde is a tilde."""
        uuid = self.create_node()
        for path in ("/extra/a~2", "/extra/a~"):
            self.assert_refused(self.patch(f"/v1/nodes/{uuid}", ("add", path, 1)), 400, "~0")
        for minor, names in (("1.97", {"a~1b~0": 1}), ("1.98", {"a/b~": 1})):
            self.assertEqual(200, self.patch(f"/v1/nodes/{uuid}", ("replace", "/extra", {})).status)
            response = self.patch(f"/v1/nodes/{uuid}", ("add", "/extra/a~1b~0", 1), version=minor)
            self.assertEqual(names, response.json["extra"])


class TestRefusals(MachineAPITestCase):
    def test_unknown_marker_is_not_found(self) -> None:
        """The status for an unknown marker is 404 in all listings."""
        hardware, policy = ("nodes", "ports", "chassis", "portgroups"), ("allocations", "deploy_templates", "runbooks")
        for path in (*hardware, *policy, "inspection_rules"):
            self.assert_refused(self.request("GET", f"/v1/{path}?marker={uuid4()}"), 404, "marker")

    def test_record_stays_with_its_node(self) -> None:
        """A patch may set node_uuid to its present value. Another node is refused."""
        mine, other = self.create_node(), self.create_node()
        bodies = {
            "ports": {"address": "52:54:00:00:00:09"},
            "portgroups": {},
            "volume/connectors": {"type": "iqn", "connector_id": "q"},
        }
        for path, body in bodies.items():
            made = self.request("POST", f"/v1/{path}", {**body, "node_uuid": mine})
            record = f"/v1/{path}/{made.json['uuid']}"
            self.assertNotIn(self.patch(record, ("replace", "/node_uuid", mine)).status, (400, 500), path)
            self.assert_refused(self.patch(record, ("replace", "/node_uuid", other)), 400, "node_uuid", mine)
            self.assert_refused(self.patch(record, ("remove", "/node_uuid")), 400, "node_uuid")

    def test_nodes_of_a_chassis_have_the_filters_of_nodes(self) -> None:
        """An unknown chassis is not found. The listing for a chassis takes the filters of the listing of nodes."""
        self.assert_refused(self.request("GET", f"/v1/nodes?chassis_uuid={uuid4()}"), 404, "chassis")
        chassis = self.request("POST", "/v1/chassis", {}).json["uuid"]
        for driver in ("fake-hardware", "redfish"):
            self.create_node(driver=driver, chassis_uuid=chassis)
        for path in ("nodes", "nodes/detail"):
            for query, expected in (("", 2), ("?driver=redfish", 1), ("?associated=true", 0)):
                self.assertEqual(expected, len(self.get(f"/v1/chassis/{chassis}/{path}{query}")["nodes"]), query)

    def test_smart_nic_may_get_its_link_later(self) -> None:
        """The link of a smart NIC is checked when it is set."""
        body = {"address": "52:54:00:00:00:01", "node_uuid": self.create_node(), "is_smartnic": True}
        made = self.request("POST", "/v1/ports", body)
        self.assertEqual(201, made.status, made.raw)
        response = self.patch(f"/v1/ports/{made.json['uuid']}", ("add", "/local_link_connection", LINK))
        self.assert_refused(response, 400, "hostname")

    def test_network_data_needs_three_lists(self) -> None:
        """Network data needs links, networks and services, as in a metadata service. It may be empty."""
        whole = {"links": [{"id": "a"}], "networks": [], "services": []}
        uuid = self.create_node(network_data=whole)
        for wrong, word in ((["links"], "object"), ({"links": []}, "networks"), ({**whole, "links": [1]}, "links")):
            response = self.patch(f"/v1/nodes/{uuid}", ("replace", "/network_data", wrong))
            self.assert_refused(response, 400, "network_data", word)
        self.assertEqual({}, self.patch(f"/v1/nodes/{uuid}", ("replace", "/network_data", {})).json["network_data"])
