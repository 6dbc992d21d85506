"""Rules for all requests: IDs, bodies, paths, methods, errors."""

from __future__ import annotations

import re
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_interfaces import Forbidden
from baremetal_sdk.api import routes
from baremetal_sdk.api.access.policy import AllowAll
from baremetal_sdk.config import APIConfig
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.store.records.query import Scope
from tests.fixtures.api import APITestCase

REQUEST_ID = "req-8c1b9c5b-7c2f-4fb5-9f4f-2d3d0f4b1a11"


class TestRequestIds(APITestCase):
    def test_valid_inbound_id_is_kept(self) -> None:
        """A request ID of the right form is returned, so that clients can trace a request through several services."""
        headers = self.request("GET", "/v1/nodes", X_OpenStack_Request_Id=REQUEST_ID).headers
        self.assertEqual(REQUEST_ID, headers["x-openstack-request-id"])
        self.assertEqual(REQUEST_ID, headers["openstack-request-id"])

    def test_invalid_inbound_id_is_replaced(self) -> None:
        """Other text does not get into logs and headers as a request ID."""
        for given in ("evil", REQUEST_ID + "x", "req-" + "z" * 36):
            request_id = self.request("GET", "/v1/nodes", X_OpenStack_Request_Id=given).headers["x-openstack-request-id"]
            self.assertNotEqual(given, request_id)
            self.assertTrue(re.fullmatch(r"req-[0-9a-f-]{36}", request_id))

    def test_context_is_set_during_a_request(self) -> None:
        """The context of a request is current while the request is served, and not after it."""
        uuid = self.create_node()
        self.conductor.contexts.clear()
        self.request("GET", f"/v1/nodes/{uuid}/validate", X_OpenStack_Request_Id=REQUEST_ID)
        self.assertEqual([REQUEST_ID], [context.request_id for context in self.conductor.contexts if context])
        self.assertIsNone(current_request.get())


class TestBodies(APITestCase):
    api = APIConfig(max_request_body_size=2048)

    def test_malformed_json_is_refused(self) -> None:
        """The status for a body that is not JSON is 400."""
        for body in (b'{"driver', b"\xff\xfe", b'{"a": NaN}', b"{}{}"):
            self.assert_refused(self.request("POST", "/v1/nodes", body), 400, "not valid JSON")
        self.assert_refused(self.request("POST", "/v1/nodes", b'{"a": "\\ud800"}'), 400, "half of a surrogate pair")

    def test_body_must_be_an_object(self) -> None:
        """A list, a number and a text are refused, because they have no fields."""
        for body in (b"[1]", b"5", b'"x"', b"true"):
            self.assert_refused(self.request("POST", "/v1/nodes", body), 400, "not a JSON object")

    def test_missing_body_counts_as_empty(self) -> None:
        """Without a body, the errors are those of an empty object."""
        self.assert_refused(self.request("POST", "/v1/nodes"), 400, "driver: is missing")

    def test_deeply_nested_body_is_refused(self) -> None:
        """The depth of a body is limited, so that no body exhausts the stack."""
        for body in (b"[" * 900, b'{"extra": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}"):
            self.assertEqual(400, self.request("POST", "/v1/nodes", body).status)
        self.assertEqual(
            201, self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "extra": {"a": [[[[{}]]]] * 30}}).status
        )

    def test_large_body_is_refused(self) -> None:
        """The limit is [api] max_request_body_size."""
        self.assert_refused(self.request("POST", "/v1/nodes", b" " * 2049), 413, "2048 bytes")

    def test_other_content_types_are_refused(self) -> None:
        """The status for a form is 415."""
        response = self.request("POST", "/v1/nodes", b"driver=x", Content_Type="application/x-www-form-urlencoded")
        self.assert_refused(response, 415, "Content-Type", "application/json")

    def test_json_content_types_are_accepted(self) -> None:
        """JSON with a charset and JSON Patch are accepted."""
        for content_type in ("application/json; charset=utf-8", "application/json-patch+json"):
            response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, Content_Type=content_type)
            self.assertEqual(201, response.status)

    def test_all_problems_are_reported_at_once(self) -> None:
        """An error names all invalid fields, in its text and as data."""
        response = self.request("POST", "/v1/nodes", {"bogus": 1, "maintenance": "perhaps", "extra": []})
        self.assert_refused(response, 400, "bogus", "maintenance", "extra", "driver")
        self.assertEqual(
            {"bogus", "maintenance", "extra", "driver"}, {problem["field"] for problem in response.fault["problems"]}
        )


class TestCostOfBodies(APITestCase):
    def test_number_of_values_is_limited(self) -> None:
        """A body with very many small values is refused before it is decoded."""
        body = b'{"driver": "fake-hardware", "extra": {"a": [' + b"1," * 270_000 + b"1]}}"
        self.assert_refused(self.request("POST", "/v1/nodes", body), 413, "too many values")


class TestPathsAndMethods(APITestCase):
    def test_unknown_path_is_not_found(self) -> None:
        """The status for a path without a route is 404, with a body in Ironic's format."""
        for path in ("/v1/nope", "/nope", "/v1/nodes/x/nope", "/v1/nodes/detail/x", "/v1/v1/nodes"):
            self.assert_refused(self.request("GET", path), 404)

    def test_path_must_be_utf_8(self) -> None:
        """The status for a path that is not UTF-8 is 400."""
        self.assert_refused(self.request("GET", "/v1/nodes/%FF"), 400, "UTF-8")

    def test_unknown_method_gets_the_allowed_ones(self) -> None:
        """The status for an unknown method is 405, with the header Allow."""
        response = self.request("PUT", "/v1/nodes", {})
        self.assert_refused(response, 405, "PUT")
        self.assertEqual("GET, HEAD, OPTIONS, POST", response.headers["Allow"])

    def test_options_lists_the_methods(self) -> None:
        """OPTIONS returns the methods of any path with a route, and 404 for others."""
        self.assertEqual("DELETE, OPTIONS, PUT", self.request("OPTIONS", "/v1/nodes/x/maintenance").headers["Allow"])
        self.assertEqual(404, self.request("OPTIONS", "/v1/nope").status)

    def test_head_is_get_without_a_body(self) -> None:
        """HEAD returns the headers of GET."""
        self.create_node()
        head, get = self.request("HEAD", "/v1/nodes"), self.request("GET", "/v1/nodes")
        self.assertEqual(200, head.status)
        self.assertEqual(b"", head.raw)
        self.assertEqual(get.headers["Content-Length"], head.headers["Content-Length"])

    def test_unknown_query_parameter_is_refused(self) -> None:
        """A misspelled filter is an error and does not list all nodes."""
        self.assert_refused(self.request("GET", "/v1/nodes?provison_state=active"), 400, "provison_state", "provision_state")

    def test_repeated_query_parameter_is_refused(self) -> None:
        """The status for two values of one parameter is 400."""
        self.assert_refused(self.request("GET", "/v1/nodes?limit=1&limit=2"), 400, "limit", "more than once")

    def test_repeated_list_parameters_are_one_list(self) -> None:
        """Each list parameter of each route may be repeated, which has the meaning of one value with commas."""
        self.create_node()
        for path in (
            "nodes?fields=uuid&fields=name,driver", "ports?fields=uuid&fields=address", "portgroups?fields=uuid&fields=name",
            "allocations?fields=uuid&fields=name", "conductors?fields=hostname&fields=alive",
            "chassis?fields=uuid&fields=extra", "nodes?shard=a&shard=b", "ports?conductor_groups=a&conductor_groups=b",
        ):  # fmt: skip
            name = path.partition("?")[2].partition("=")[0]
            joined = path.replace(f"&{name}=", ",")
            repeated = self.request("GET", f"/v1/{path}")
            self.assertEqual(200, repeated.status, (path, repeated.raw))
            self.assertEqual(self.request("GET", f"/v1/{joined}").raw, repeated.raw, path)
        node = self.get("/v1/nodes?fields=uuid&fields=name,driver")["nodes"][0]
        self.assertEqual({"driver", "name", "uuid", "links"}, set(node))

    def test_repeated_list_parameters_obey_the_rules_of_lists(self) -> None:
        """Unknown items and versions that lack the parameter are refused, wherever the item stands."""
        self.assert_refused(self.request("GET", "/v1/nodes?fields=uuid&fields=bogus"), 400, "bogus")
        self.assertEqual(406, self.request("GET", "/v1/nodes?shard=a&shard=b", version="1.81").status)

    def test_number_of_query_parameters_is_limited(self) -> None:
        """A query string with too many parameters is refused before it is parsed."""
        query = "&".join(f"a{number}=1" for number in range(200))
        self.assert_refused(self.request("GET", f"/v1/nodes?{query}"), 400, "too many parameters")

    def test_path_may_end_in_json_before_1_91(self) -> None:
        """The suffix .json is ignored, unless it belongs to the name of a node."""
        uuid = self.create_node(name="n1")
        self.assertEqual(uuid, self.get("/v1/nodes/n1.json", version="1.90")["uuid"])
        self.assert_refused(self.request("GET", "/v1/nodes/n1.json"), 404)
        other = self.create_node(name="n2.json")
        self.assertEqual(other, self.get("/v1/nodes/n2.json", version="1.90")["uuid"])
        self.assertEqual(other, self.get("/v1/nodes/n2.json")["uuid"])


class TestErrors(APITestCase):
    def test_internal_error_hides_its_cause(self) -> None:
        """An unexpected exception is status 500 with the request ID and without the text of the exception."""
        log = self.useFixture(FakeLogger())
        self.conductor.failing["validate_node"] = KeyError("the password is tiger")
        uuid = self.create_node()
        response = self.request("GET", f"/v1/nodes/{uuid}/validate")
        self.assert_refused(response, 500, "ID of this request")
        self.assertNotIn(b"tiger", response.raw)
        self.assertIn(response.headers["x-openstack-request-id"], log.output)

    def test_retry_after_has_whole_seconds(self) -> None:
        """The header Retry-After has the delay of the error, rounded up."""
        uuid = self.create_node()
        self.conductor.store.take_lease(uuid, holder="host-1/abc/1", purpose="cleaning", duration=60)
        response = self.request("PUT", f"/v1/nodes/{uuid}/states/power", {"target": "power on"})
        self.assert_refused(response, 409, "held by")
        self.assertEqual("3", response.headers["Retry-After"])


class OnlyProject(AllowAll):
    """A policy that shows the records of one project and allows no deletion."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        return Scope("red")

    def enforce(self, rule: str, context: RequestContext, target: object) -> None:
        if rule == "baremetal:node:delete":
            raise Forbidden(f"{rule} is not allowed")


class TestPolicy(APITestCase):
    policy = OnlyProject()

    def test_reads_have_the_scope_of_the_client(self) -> None:
        """A node of another project is not found by name, in lists, or with a filter."""
        red = self.create_node(name="red", owner="red")
        self.conductor.call("create_node", values={"uuid": str(uuid4()), "name": "blue", "owner": "blue"})
        self.assertEqual([red], [node["uuid"] for node in self.get("/v1/nodes")["nodes"]])
        self.assertEqual([red], [node["uuid"] for node in self.get("/v1/nodes?project=blue")["nodes"]])
        self.assert_refused(self.request("GET", "/v1/nodes/blue"), 404)
        self.assert_refused(self.patch("/v1/nodes/blue", ("replace", "/name", "x")), 404)

    def test_refused_request_is_forbidden(self) -> None:
        """The policy checks the rule of the route with the node as target."""
        self.create_node(name="red", owner="red")
        self.assert_refused(self.request("DELETE", "/v1/nodes/red"), 403, "baremetal:node:delete")


class TestRoutes(APITestCase):
    def test_routes_are_plain_data(self) -> None:
        """Documentation is built from the declarations of the routes."""
        all_routes = routes()
        by_key = {(route["method"], route["path"]): route for route in all_routes}
        self.assertEqual(len(all_routes), len(by_key))
        create = by_key["POST", "/v1/nodes"]
        self.assertEqual(201, create["status"])
        self.assertEqual("baremetal:node:create", create["policy"])
        self.assertEqual("1.1", create["since"])
        driver = next(field for field in create["body"] if field["name"] == "driver")
        self.assertTrue(driver["required"])
        self.assertEqual("string", driver["schema"]["type"])

    def test_every_route_is_documented(self) -> None:
        """Each route has a rule and a summary, and each of its parameters and fields has a help text."""
        for route in routes():
            self.assertTrue(route["policy"], route["path"])
            self.assertTrue(route["summary"], route["path"])
            fields = route["body"] if isinstance(route["body"], list) else []
            for parameter in [*route["query"], *fields]:
                self.assertTrue(parameter["help"], (route["path"], parameter["name"]))
