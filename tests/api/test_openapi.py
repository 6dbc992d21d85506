"""The description of the API that the service gives of itself, and answers that a client knows already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from baremetal_sdk.api.v1.catalog import routes
from tests.fixtures.api import APITestCase


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

    def test_every_answer_is_described_field_by_field(self) -> None:
        """What each JSON answer has is said, but for what a vendor's method gives back; references lead somewhere."""
        document = self.get("/openapi.json")
        vague = []
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                for status, answer in operation["responses"].items():
                    schema = answer.get("content", {}).get("application/json", {}).get("schema")
                    if schema is not None and "{method}" not in path and schema in ({}, {"type": "object"}):
                        vague.append((method, path, status))
        vendors = {(method, path) for method, path, _ in vague if path.endswith("/vendor_passthru")}
        self.assertEqual(vendors, {(method, path) for method, path, _ in vague})
        for reference in _references(document):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]

    def test_fields_have_their_types(self) -> None:
        """A field's schema is that of its column, or of what renders it: type, form, values, null, and since when it is shown."""
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

    def test_parameters_name_what_they_take(self) -> None:
        """Fields to show and to sort by are those of what is listed; bounds and first microversions of parameters are said."""
        document = self.get("/openapi.json")
        listed = document["paths"]["/v1/ports"]["get"]["parameters"]
        parameters = {one["name"]: one for one in listed if "name" in one}
        fields = parameters["fields"]["schema"]["items"]["enum"]
        self.assertIn("pxe_enabled", fields)
        self.assertNotIn("driver", fields)
        self.assertEqual(("form", False), (parameters["fields"]["style"], parameters["fields"]["explode"]))
        self.assertNotIn("extra", parameters["sort_key"]["schema"]["enum"])
        self.assertEqual(1, parameters["limit"]["schema"]["minimum"])
        self.assertEqual("1.43", parameters["detail"]["x-baremetal-since"])

    def test_a_patch_names_what_can_be_changed(self) -> None:
        """Paths of a patch begin with a field that clients write; all but a removal have a value."""
        body = self.get("/openapi.json")["paths"]["/v1/chassis/{chassis}"]["patch"]["requestBody"]
        setting, removal = body["content"]["application/json"]["schema"]["items"]["anyOf"]
        self.assertEqual("^/(description|extra)(/.*)?$", setting["properties"]["path"]["pattern"])
        self.assertIn("value", setting["required"])
        self.assertNotIn("value", removal["required"])

    def test_it_is_served_in_any_version(self) -> None:
        """The document needs no microversion: one that lets paths end in .json does not cut that off."""
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
