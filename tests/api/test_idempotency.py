"""Requests that their clients repeat."""

from __future__ import annotations

from baremetal_interfaces import Busy
from tests.api.world import APITestCase

NODE = {"driver": "fake-hardware"}


class TestIdempotency(APITestCase):
    """``Idempotency-Key`` on POST."""

    def test_a_repeated_request_is_done_once(self) -> None:
        """The second one is answered as the first one was, and makes nothing."""
        first, again = (self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a") for _ in range(2))
        self.assertEqual((201, first.json, first.headers["Location"]), (again.status, again.json, again.headers["Location"]))
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="b")
        self.request("POST", "/v1/nodes", NODE)
        self.assertEqual(3, len(self.get("/v1/nodes")["nodes"]))

    def test_a_key_belongs_to_one_request(self) -> None:
        """Another request with the same key is refused and does nothing; what is no key is refused as well."""
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.assert_refused(self.request("POST", "/v1/nodes", {**NODE, "name": "x"}, Idempotency_Key="a"), 422, "Idempotency-Key")
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="x" * 256), 400, "Idempotency-Key")
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_what_failed_can_be_tried_again(self) -> None:
        """A request that was refused is done when it is repeated."""
        self.conductor.failing["create_node"] = Busy("not now", retry_after=1.0)
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a"), 503)
        del self.conductor.failing["create_node"]
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
