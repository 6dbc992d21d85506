"""The description of the API that the service gives of itself, and answers that a client knows already."""

from __future__ import annotations

from baremetal_sdk.api.app import routes
from tests.api.world import APITestCase


class TestOpenAPI(APITestCase):
    """``/openapi.json``."""

    def test_every_route_is_described(self) -> None:
        """The document has each route with its parameters, its body and its statuses, and nothing else."""
        document = self.get("/openapi.json")
        self.assertEqual("3.1.0", document["openapi"])
        described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
        self.assertEqual({(route["path"], route["method"]) for route in routes()}, described)
        operation = document["paths"]["/v1/nodes"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual(["driver"], body["required"])
        self.assertIn("4XX", operation["responses"])
        names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
        self.assertEqual(len(names), len(set(names)))

    def test_it_is_served_in_any_version(self) -> None:
        """The document needs no microversion: one that lets paths end in .json does not cut that off."""
        self.assertEqual(200, self.request("GET", "/openapi.json", version=None).status)


class TestETag(APITestCase):
    """``ETag`` and ``If-None-Match``."""

    def test_what_is_known_is_not_sent_again(self) -> None:
        """A read with the ETag of the answer before gets 304 without a body until something changes."""
        node = self.node()
        for path in (f"/v1/nodes/{node}", "/v1/nodes", "/v1/nodes/detail", "/v1/ports", "/v1/drivers"):
            first = self.request("GET", path)
            again = self.request("GET", path, If_None_Match=f'"other", W/{first.headers["ETag"]}')
            self.assertEqual((304, b""), (again.status, again.raw), path)
            self.assertEqual(first.headers["ETag"], again.headers["ETag"])
        tag = self.request("GET", f"/v1/nodes/{node}").headers["ETag"]
        self.conductor.store.update_node(node, {"extra": {"a": 1}}, fence=None)
        changed = self.request("GET", f"/v1/nodes/{node}", If_None_Match=tag)
        self.assertEqual(200, changed.status)
        self.assertNotEqual(tag, changed.headers["ETag"])

    def test_changes_and_refusals_have_none(self) -> None:
        """Only reads that succeed can be asked for again."""
        created = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, If_None_Match="*")
        self.assertEqual((201, None), (created.status, created.headers.get("ETag")))
        self.assertIsNone(self.request("GET", "/v1/nodes/missing").headers.get("ETag"))
