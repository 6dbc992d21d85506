"""A conductor with its API and a client over a socket."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import testtools

from baremetal_interfaces import Deadline
from baremetal_sdk import APIServer, Conductor, bare_metal_api
from baremetal_sdk.config import APIConfig, ConductorConfig, ConductorOptions
from baremetal_sdk.errors import ConfigurationError

TIMEOUT_S = 20.0


class TestEndToEnd(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        options = ConductorOptions(sync_power_state_interval=0.0, graceful_shutdown_timeout=5.0, workers_pool_size=20)
        config = ConductorConfig(host="here", api=APIConfig(port=0), conductor=options, enabled_hardware_types=("fake-hardware",))
        self.conductor = Conductor(config)
        self.api = APIServer(bare_metal_api(self.conductor), config.api)
        self.conductor.add(self.api)
        self.conductor.start()
        self.addCleanup(self.conductor.stop)

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api.port, timeout=TIMEOUT_S)
        headers = {"X-OpenStack-Ironic-API-Version": "1.110", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else None

    def _wait(self, path: str, field: str, value: Any) -> dict[str, Any]:
        deadline = Deadline.after(TIMEOUT_S)
        while True:
            _, node = self._request("GET", path)
            if node[field] == value and node["reservation"] is None:
                return dict(node)
            deadline.check(f"{field} to become {value!r}; it is {node[field]!r}, {node['last_error']!r}")
            time.sleep(0.01)

    def test_lifecycle_of_a_node(self) -> None:
        """A client enrolls, deploys, undeploys and deletes a node over HTTP, and the API shows each state."""
        body = {"driver": "fake-hardware", "name": "n1", "driver_info": {"fake_password": "tiger"}}
        status, node = self._request("POST", "/v1/nodes", body)
        self.assertEqual(201, status)
        self.assertEqual("enroll", node["provision_state"])
        self.assertEqual("here", node["conductor"])
        self.assertNotIn("tiger", json.dumps(node))
        path = "/v1/nodes/n1"
        for verb, state in (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available")):
            status, response = self._request("PUT", f"{path}/states/provision", {"target": verb})
            self.assertEqual(202, status, response)
            self._wait(path, "provision_state", state)
        for target in ("power on", "power off"):
            self.assertEqual(202, self._request("PUT", f"{path}/states/power", {"target": target})[0])
            self._wait(path, "power_state", target)
        self.assertEqual(400, self._request("PUT", f"{path}/states/provision", {"target": "abort"})[0])
        self.assertEqual(204, self._request("DELETE", path)[0])
        self.assertEqual(404, self._request("GET", path)[0])

    def test_unknown_driver_or_interface_is_refused(self) -> None:
        """The error has status 400 and names the value."""
        for body in ({"driver": "nope"}, {"driver": "fake-hardware", "power_interface": "nope"}):
            status, response = self._request("POST", "/v1/nodes", body)
            self.assertEqual(400, status, response)
            self.assertIn("nope", response["error_message"])

    def test_patch_with_masked_secrets_keeps_the_secrets(self) -> None:
        """A client that writes back the values that it read changes nothing."""
        self._request("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "n1", "driver_info": {"fake_password": "tiger"}})
        _, shown = self._request("GET", "/v1/nodes/n1")
        status, response = self._request(
            "PATCH", "/v1/nodes/n1", [{"op": "replace", "path": "/driver_info", "value": shown["driver_info"]}]
        )
        self.assertEqual(200, status, response)
        patch = [{"op": "add", "path": "/driver_info/fake_address", "value": "x"}]
        self.assertEqual(200, self._request("PATCH", "/v1/nodes/n1", patch)[0])
        self.assertEqual(
            shown["driver_info"]["fake_password"], self._request("GET", "/v1/nodes/n1")[1]["driver_info"]["fake_password"]
        )

    def test_the_api_stops_with_the_conductor(self) -> None:
        """After the conductor stops, connections to the port are refused."""
        port = self.api.port
        self.conductor.stop()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self.assertRaises(ConnectionRefusedError, connection.request, "GET", "/")


class TestStart(testtools.TestCase):
    def test_start_fails_if_the_port_is_in_use(self) -> None:
        """A conductor whose API cannot listen does not start, and the error names the port."""
        first = Conductor(ConductorConfig(host="first"))
        taken = APIServer(bare_metal_api(first), APIConfig(port=0))
        first.add(taken)
        first.start()
        self.addCleanup(first.stop)
        second = Conductor(ConductorConfig(host="second"))
        second.add(APIServer(bare_metal_api(second), APIConfig(port=taken.port)))
        self.assertIn(str(taken.port), str(self.assertRaises(ConfigurationError, second.start)))
        self.assertFalse(second.ready)
