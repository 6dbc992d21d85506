"""Repeated requests with the header Idempotency-Key."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import Busy
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.conductor.pruning import Pruner
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.records.node import NodeRecord
from tests.fixtures.api import APIResponse, APITestCase
from tests.fixtures.api_access import RBACTestCase, project_identity, system_identity

NODE = {"driver": "fake-hardware"}


class TestIdempotency(APITestCase):
    """``Idempotency-Key`` on POST."""

    def assert_same_creation(self, first: APIResponse, again: APIResponse) -> None:
        """Both responses are of one creation."""
        self.assertEqual(201, again.status)
        self.assertEqual(first.json, again.json)
        self.assertEqual(first.headers["Location"], again.headers["Location"])

    def test_repetition_gets_the_first_response(self) -> None:
        """A repetition gets the response of the first request and creates nothing."""
        first, again = (self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a") for _ in range(2))
        self.assert_same_creation(first, again)
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="b")
        self.request("POST", "/v1/nodes", NODE)
        self.assertEqual(3, len(self.get("/v1/nodes")["nodes"]))

    def test_key_of_another_request_is_refused(self) -> None:
        """The status is 422 for a different request with a used key, and 400 for an invalid key. Neither creates a node."""
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.assert_refused(self.request("POST", "/v1/nodes", {**NODE, "name": "x"}, Idempotency_Key="a"), 422, "Idempotency-Key")
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="x" * 256), 400, "Idempotency-Key")
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_keys_of_different_paths_are_independent(self) -> None:
        """The same key of the same client on another path is another key."""
        many = {"nodes": [NODE, NODE]}
        for path, body, status in (("/v1/nodes", NODE, 201), ("/v1/bulk/nodes", many, 200), ("/v1/bulk/nodes", many, 200)):
            self.assertEqual(status, self.request("POST", path, body, Idempotency_Key="a").status)
        self.assertEqual(3, len(self.get("/v1/nodes")["nodes"]))

    def test_failed_request_can_be_repeated(self) -> None:
        """A repetition of a refused request runs again."""
        self.conductor.failing["create_node"] = Busy("not now", retry_after=1.0)
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a"), 503)
        del self.conductor.failing["create_node"]
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)

    def test_all_processes_know_a_response(self) -> None:
        """Another API process with the same store, or the same one after a restart, returns the first response."""
        first = self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.app = bare_metal_api(self.conductor)
        again = self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.assert_same_creation(first, again)
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_simultaneous_repetition_is_refused(self) -> None:
        """While the first request is in progress, a repetition gets 409 with Retry-After, in any process."""
        other = bare_metal_api(self.conductor)
        meanwhile: list[APIResponse] = []

        def create(**values: Any) -> Any:
            self.app, app = other, self.app
            meanwhile.append(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a"))
            self.app = app
            return self.conductor.store.create_node(NodeRecord(**values["values"]), fence=None)

        self.conductor._create_node = create  # type: ignore[method-assign]
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assert_refused(meanwhile[0], 409, "still in progress")
        self.assertEqual("1", meanwhile[0].headers["Retry-After"])
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_key_of_a_dead_process_is_released(self) -> None:
        """Five minutes after a process died with a request in progress, a repetition of the request runs."""
        self.conductor.failing["create_node"] = SystemExit("killed")  # type: ignore[assignment]
        self.conductor.store.delete_record = self.unreachable  # type: ignore[method-assign]
        self.assertRaises(SystemExit, self.request, "POST", "/v1/nodes", NODE, Idempotency_Key="a")
        del self.conductor.failing["create_node"]
        self.assertEqual(409, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(422, self.request("POST", "/v1/nodes", {**NODE, "name": "x"}, Idempotency_Key="a").status)
        self.conductor.clock.turn(301)
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def unreachable(self, *_: Any, **__: Any) -> None:
        raise StoreUnavailable("no connection")

    def test_keys_expire_after_a_day(self) -> None:
        """A request with an expired key runs again."""
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        pruner = Pruner(self.conductor.store, self.conductor.clock, self.conductor.config.events)
        for hours, count in ((23, 1), (2, 2)):
            self.conductor.clock.turn(hours * 3600)
            pruner.run()
            self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
            self.assertEqual(count, len(self.get("/v1/nodes")["nodes"]))


class TestLargeResponses(APITestCase):
    api = APIConfig(max_request_body_size=16 * 1024 * 1024)

    def test_repetition_gets_a_large_response_whole(self) -> None:
        """The body of a repeated response is that of the first one, up to the largest value that can be stored."""
        for key, size in (("a", 5_000_000), ("b", 8_000_000)):
            node = {**NODE, "extra": {"text": "x" * size}}
            first, again = (self.request("POST", "/v1/nodes", node, Idempotency_Key=key) for _ in range(2))
            self.assertEqual((201, 201), (first.status, again.status))
            self.assertEqual(first.raw, again.raw)


class TestClients(RBACTestCase):
    """Keys of different clients."""

    def test_keys_of_different_clients_are_independent(self) -> None:
        """The same key of another user, or in another project, is another key."""
        responses = [
            self.request_as(identity, "POST", "/v1/nodes", NODE, Idempotency_Key="a")
            for identity in (
                project_identity("owner", "admin"),
                project_identity("lessee", "admin"),
                system_identity("admin"),
                project_identity("owner", "admin"),
            )
        ]
        self.assertEqual({201}, {response.status for response in responses}, [response.raw for response in responses])
        self.assertEqual(3, len({response.json["uuid"] for response in responses}))
