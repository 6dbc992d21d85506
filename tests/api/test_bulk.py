"""Requests for many nodes at once."""

from __future__ import annotations

import json

from fixtures import FakeLogger

from tests.fixtures.api import APITestCase


class TestBulk(APITestCase):
    """``/v1/bulk``: one result for each node."""

    def test_each_new_node_has_a_result(self) -> None:
        """An error of one node is in its result only, and the other nodes are created."""
        new_nodes = [{"driver": "fake-hardware", "name": "a"}, {"name": "b"}, "c", {"driver": "fake-hardware", "name": "a"}]
        results = self.request("POST", "/v1/bulk/nodes", {"nodes": new_nodes}).json["results"]
        self.assertEqual([201, 400, 400, 409], [result["status"] for result in results])
        self.assertEqual("a", self.get(f"/v1/nodes/{results[0]['node']['uuid']}")["name"])
        self.assertEqual("driver", results[1]["error"]["problems"][0]["field"])
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_states_of_many_nodes_are_changed(self) -> None:
        """The change starts for each node that exists; the result of the missing node is 404."""
        nodes = [self.create_node(name="a"), self.create_node()]
        changes = (("provision", "manage", "change_provision_state"), ("power", "power on", "change_power_state"))
        for path, target, method in changes:
            body = {"nodes": ["a", nodes[1], "missing"], "target": target}
            results = self.request("PUT", f"/v1/bulk/nodes/states/{path}", body).json["results"]
            self.assertEqual(
                [("a", 202), (nodes[1], 202), ("missing", 404)], [(result["node"], result["status"]) for result in results]
            )
            accepted = [arguments["node"] for name, arguments in self.conductor.accepted if name == method]
            self.assertEqual(nodes, accepted)

    def test_invalid_request_changes_no_node(self) -> None:
        """No nodes, duplicate nodes, entries of a wrong type and too many nodes are refused."""
        self.create_node(name="a")
        for nodes in ([], ["a", "a"], [1], "a", ["x"] * 1001):
            response = self.request("PUT", "/v1/bulk/nodes/states/power", {"nodes": nodes, "target": "power on"})
            self.assert_refused(response, 400, "nodes")
        self.assertEqual([], self.conductor.accepted)

    def test_number_of_nodes_is_limited(self) -> None:
        """A request may contain 1,000 nodes, but not 1,001."""
        for count, code in ((1000, 200), (1001, 400)):
            body = {"nodes": [f"n{number}" for number in range(count)], "target": "power on"}
            self.assertEqual(code, self.request("PUT", "/v1/bulk/nodes/states/power", body).status)

    def test_each_node_has_a_line_in_the_audit_log(self) -> None:
        """The audit log has one result for each node with its own status."""
        node = self.create_node()
        log = self.useFixture(FakeLogger("baremetal_sdk.audit"))
        self.request("PUT", "/v1/bulk/nodes/states/power", {"nodes": [node, "missing"], "target": "power on"})
        lines = [json.loads(line) for line in log.output.splitlines()]
        ended = {line["target"]["node"]: (line["status"], line.get("why")) for line in lines if "node" in line.get("target", {})}
        self.assertEqual({node: (202, None), "missing": (404, "NodeNotFound")}, ended)

    def test_node_may_be_named_bulk(self) -> None:
        """The path of bulk requests does not reserve a node name."""
        self.create_node(name="bulk")
        self.assertEqual("bulk", self.get("/v1/nodes/bulk")["name"])
