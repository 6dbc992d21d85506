"""What requests of earlier microversions get, and refusals as clients know them."""

from __future__ import annotations

from uuid import uuid4

from tests.api.machines import MachineAPITestCase
from tests.api.world import APITestCase

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
