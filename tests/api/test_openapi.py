"""The OpenAPI document of the service, and conditional requests with ETags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from baremetal_sdk.api.v1.catalog import routes
from tests.fixtures.api import APITestCase


class TestOpenAPI(APITestCase):
    """``/openapi.json``."""

    def test_document_has_all_routes(self) -> None:
        """The document has exactly the routes of the API, each with its parameters, body and statuses."""
        document = self.get("/openapi.json")
        self.assertEqual("3.1.0", document["openapi"])
        described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
        self.assertEqual({(route["path"], route["method"]) for route in routes()}, described)
        operation = document["paths"]["/v1/nodes"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual(["driver"], body["required"])
        self.assertIn("4XX", operation["responses"])
        names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
        self.assertEqual(len(names), len(set(names)))

    def test_responses_have_complete_schemas(self) -> None:
        """Each JSON response has a schema with fields, except those of vendor methods. All references are valid."""
        document = self.get("/openapi.json")
        vague = []
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                for status, response in operation["responses"].items():
                    schema = response.get("content", {}).get("application/json", {}).get("schema")
                    if schema is not None and "{method}" not in path and schema in ({}, {"type": "object"}):
                        vague.append((method, path, status))
        vendors = {(method, path) for method, path, _ in vague if path.endswith("/vendor_passthru")}
        self.assertEqual(vendors, {(method, path) for method, path, _ in vague})
        for reference in _references(document):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]

    def test_fields_have_the_types_of_their_values(self) -> None:
        """The schema of a field has type, format, values, null and first microversion."""
        schemas = self.get("/openapi.json")["components"]["schemas"]
        node = schemas["Node"]["properties"]
        self.assertEqual({"type": "string", "format": "uuid", "x-baremetal-since": "1.1"}, node["uuid"])
        self.assertEqual({"type": "boolean", "x-baremetal-since": "1.48"}, node["protected"])
        self.assertIn("active", node["provision_state"]["enum"])
        self.assertEqual([{"type": "string"}, {"type": "null"}], node["reservation"]["anyOf"])
        self.assertIn({"type": "string", "format": "date-time"}, node["provision_updated_at"]["anyOf"])
        self.assertFalse(schemas["Node"]["additionalProperties"])
        self.assertEqual("boolean", schemas["Conductor"]["properties"]["alive"]["type"])
        self.assertEqual("integer", schemas["VolumeTarget"]["properties"]["boot_index"]["type"])

    def test_parameters_have_their_allowed_values(self) -> None:
        """The parameters fields and sort_key list the fields of the view. Bounds and first microversions are documented."""
        document = self.get("/openapi.json")
        declared = document["paths"]["/v1/ports"]["get"]["parameters"]
        parameters = {parameter["name"]: parameter for parameter in declared if "name" in parameter}
        fields = parameters["fields"]["schema"]["items"]["enum"]
        self.assertIn("pxe_enabled", fields)
        self.assertNotIn("driver", fields)
        self.assertEqual("form", parameters["fields"]["style"])
        self.assertFalse(parameters["fields"]["explode"])
        self.assertNotIn("extra", parameters["sort_key"]["schema"]["enum"])
        self.assertEqual(1, parameters["limit"]["schema"]["minimum"])
        self.assertEqual("1.43", parameters["detail"]["x-baremetal-since"])

    def test_patch_has_the_changeable_fields(self) -> None:
        """The paths of a patch start with a changeable field. All operations except remove require a value."""
        body = self.get("/openapi.json")["paths"]["/v1/chassis/{chassis}"]["patch"]["requestBody"]
        setting, removal = body["content"]["application/json"]["schema"]["items"]["anyOf"]
        self.assertEqual("^/(description|extra)(/.*)?$", setting["properties"]["path"]["pattern"])
        self.assertIn("value", setting["required"])
        self.assertNotIn("value", removal["required"])

    def test_document_needs_no_microversion(self) -> None:
        """Microversions that ignore the suffix .json still serve /openapi.json."""
        self.assertEqual(200, self.request("GET", "/openapi.json", version=None).status)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


class TestETag(APITestCase):
    """``ETag`` and ``If-None-Match``."""

    def test_read_with_the_current_etag_has_no_body(self) -> None:
        """A read with the ETag of an earlier response gets 304 without a body until the response changes."""
        node = self.create_node()
        for path in (f"/v1/nodes/{node}", "/v1/nodes", "/v1/nodes/detail", "/v1/ports", "/v1/drivers"):
            first = self.request("GET", path)
            again = self.request("GET", path, If_None_Match=f'"other", W/{first.headers["ETag"]}')
            self.assertEqual(304, again.status, path)
            self.assertEqual(b"", again.raw, path)
            self.assertEqual(first.headers["ETag"], again.headers["ETag"])
        tag = self.request("GET", f"/v1/nodes/{node}").headers["ETag"]
        self.conductor.store.update_node(node, {"extra": {"a": 1}}, fence=None)
        changed = self.request("GET", f"/v1/nodes/{node}", If_None_Match=tag)
        self.assertEqual(200, changed.status)
        self.assertNotEqual(tag, changed.headers["ETag"])

    def test_changes_and_errors_have_no_etag(self) -> None:
        """Only successful reads have an ETag."""
        created = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, If_None_Match="*")
        self.assertEqual(201, created.status)
        self.assertIsNone(created.headers.get("ETag"))
        self.assertIsNone(self.request("GET", "/v1/nodes/missing").headers.get("ETag"))
