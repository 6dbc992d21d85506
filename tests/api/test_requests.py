"""What is common to all requests: ids, bodies, paths, methods, errors."""

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

NAME = "req-8c1b9c5b-7c2f-4fb5-9f4f-2d3d0f4b1a11"


class TestRequestIds(APITestCase):
    def test_an_inbound_id_of_the_right_form_is_kept(self) -> None:
        """A caller can follow its request through services by its own id."""
        headers = self.request("GET", "/v1/nodes", X_OpenStack_Request_Id=NAME).headers
        self.assertEqual((NAME, NAME), (headers["x-openstack-request-id"], headers["openstack-request-id"]))

    def test_an_inbound_id_of_another_form_is_replaced(self) -> None:
        """What is no request id does not get into logs and headers."""
        for given in ("evil", NAME + "x", "req-" + "z" * 36):
            made = self.request("GET", "/v1/nodes", X_OpenStack_Request_Id=given).headers["x-openstack-request-id"]
            self.assertNotEqual(given, made)
            self.assertTrue(re.fullmatch(r"req-[0-9a-f-]{36}", made))

    def test_the_running_code_knows_its_request(self) -> None:
        """The context is set while a request is served, and only then."""
        uuid = self.node()
        self.conductor.contexts.clear()
        self.request("GET", f"/v1/nodes/{uuid}/validate", X_OpenStack_Request_Id=NAME)
        self.assertEqual([NAME], [context.request_id for context in self.conductor.contexts if context])
        self.assertIsNone(current_request.get())


class TestBodies(APITestCase):
    api = APIConfig(max_request_body_size=2048)

    def test_malformed_json_is_said_to_be(self) -> None:
        """A body that is no JSON is a 400 that says where it ends."""
        for body in (b'{"driver', b"\xff\xfe", b'{"a": NaN}', b"{}{}", b'{"a": "\\ud800"}'):
            self.assert_refused(self.request("POST", "/v1/nodes", body), 400, "not valid JSON")

    def test_a_body_has_to_be_an_object(self) -> None:
        """A list, a number or a text have no fields."""
        for body in (b"[1]", b"5", b'"x"', b"true"):
            self.assert_refused(self.request("POST", "/v1/nodes", body), 400, "not a JSON object")

    def test_a_missing_body_is_an_empty_one(self) -> None:
        """What a body must have is missing then, too."""
        self.assert_refused(self.request("POST", "/v1/nodes"), 400, "driver: it is missing")

    def test_a_body_that_is_nested_too_deeply_is_refused(self) -> None:
        """Depth is bounded, so that no body exhausts the stack."""
        for body in (b"[" * 900, b'{"extra": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}"):
            self.assertEqual(400, self.request("POST", "/v1/nodes", body).status)
        self.assertEqual(
            201, self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "extra": {"a": [[[[{}]]]] * 30}}).status
        )

    def test_a_body_that_is_too_large_is_refused(self) -> None:
        """The limit is that of the configuration."""
        self.assert_refused(self.request("POST", "/v1/nodes", b" " * 2049), 413, "2048 bytes")

    def test_another_content_type_is_refused(self) -> None:
        """A form is no JSON."""
        answer = self.request("POST", "/v1/nodes", b"driver=x", Content_Type="application/x-www-form-urlencoded")
        self.assert_refused(answer, 415, "Content-Type", "application/json")

    def test_content_types_of_json_are_taken(self) -> None:
        """JSON Patch has a content type of its own, and a charset does not matter."""
        for content_type in ("application/json; charset=utf-8", "application/json-patch+json"):
            answer = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, Content_Type=content_type)
            self.assertEqual(201, answer.status)

    def test_all_problems_are_told_at_once(self) -> None:
        """A client that made three mistakes learns of all of them, by field, in text and as data."""
        answer = self.request("POST", "/v1/nodes", {"bogus": 1, "maintenance": "perhaps", "extra": []})
        self.assert_refused(answer, 400, "bogus", "maintenance", "extra", "driver")
        self.assertEqual({"bogus", "maintenance", "extra", "driver"}, {problem["field"] for problem in answer.fault["problems"]})


class TestPathsAndMethods(APITestCase):
    def test_an_unknown_path_is_not_found(self) -> None:
        """What is not served answers in the clients' format."""
        for path in ("/v1/nope", "/nope", "/v1/nodes/x/nope", "/v1/nodes/detail/x", "/v1/v1/nodes"):
            self.assert_refused(self.request("GET", path), 404)

    def test_a_path_that_is_not_utf_8_is_refused(self) -> None:
        """Bytes that are no text are no path."""
        self.assert_refused(self.request("GET", "/v1/nodes/%FF"), 400, "UTF-8")

    def test_a_method_that_is_not_served_says_which_are(self) -> None:
        """405 comes with Allow."""
        answer = self.request("PUT", "/v1/nodes", {})
        self.assert_refused(answer, 405, "PUT")
        self.assertEqual("GET, HEAD, OPTIONS, POST", answer.headers["Allow"])

    def test_options_says_which_methods_are_served(self) -> None:
        """OPTIONS answers for every path that is served, and for no other."""
        self.assertEqual("DELETE, OPTIONS, PUT", self.request("OPTIONS", "/v1/nodes/x/maintenance").headers["Allow"])
        self.assertEqual(404, self.request("OPTIONS", "/v1/nope").status)

    def test_head_is_get_without_a_body(self) -> None:
        """HEAD has the headers of GET."""
        self.node()
        head, get = self.request("HEAD", "/v1/nodes"), self.request("GET", "/v1/nodes")
        self.assertEqual((200, b"", get.headers["Content-Length"]), (head.status, head.raw, head.headers["Content-Length"]))

    def test_an_unknown_query_parameter_is_refused(self) -> None:
        """A typing error in a filter does not list everything."""
        self.assert_refused(self.request("GET", "/v1/nodes?provison_state=active"), 400, "provison_state", "provision_state")

    def test_a_query_parameter_is_given_once(self) -> None:
        """Two values for one parameter contradict each other."""
        self.assert_refused(self.request("GET", "/v1/nodes?limit=1&limit=2"), 400, "limit", "more than once")

    def test_a_query_string_has_a_bounded_number_of_parameters(self) -> None:
        """A flood of parameters is refused, not parsed."""
        query = "&".join(f"a{number}=1" for number in range(200))
        self.assert_refused(self.request("GET", f"/v1/nodes?{query}"), 400, "too many parameters")

    def test_before_1_91_a_path_may_end_in_json(self) -> None:
        """Older clients add .json to paths; a node whose name ends so is found as well."""
        uuid = self.node(name="n1")
        self.assertEqual(uuid, self.get("/v1/nodes/n1.json", version="1.90")["uuid"])
        self.assert_refused(self.request("GET", "/v1/nodes/n1.json"), 404)
        other = self.node(name="n2.json")
        self.assertEqual(other, self.get("/v1/nodes/n2.json", version="1.90")["uuid"])
        self.assertEqual(other, self.get("/v1/nodes/n2.json")["uuid"])


class TestErrors(APITestCase):
    def test_an_internal_error_tells_nothing_of_the_inside(self) -> None:
        """What nobody foresaw is a 500 with a request id, and without the exception's text."""
        log = self.useFixture(FakeLogger())
        self.conductor.failing["validate_node"] = KeyError("the password is tiger")
        uuid = self.node()
        answer = self.request("GET", f"/v1/nodes/{uuid}/validate")
        self.assert_refused(answer, 500, "ID of this request")
        self.assertNotIn(b"tiger", answer.raw)
        self.assertIn(answer.headers["x-openstack-request-id"], log.output)

    def test_retry_after_is_given_in_whole_seconds(self) -> None:
        """An error that says when to come back says so in the header, rounded up."""
        uuid = self.node()
        self.conductor.store.take_lease(uuid, holder="host-1/abc/1", purpose="cleaning", duration=60)
        answer = self.request("PUT", f"/v1/nodes/{uuid}/states/power", {"target": "power on"})
        self.assert_refused(answer, 409, "held by")
        self.assertEqual("3", answer.headers["Retry-After"])


class OnlyProject(AllowAll):
    """A policy that lets callers see one project, and delete nothing."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        return Scope("red")

    def enforce(self, rule: str, context: RequestContext, target: object) -> None:
        if rule == "baremetal:node:delete":
            raise Forbidden(f"{rule} is not allowed")


class TestPolicy(APITestCase):
    policy = OnlyProject()

    def test_reads_are_limited_to_what_the_caller_may_see(self) -> None:
        """A node of another project is not there, by name, in lists, and whatever the filter says."""
        red = self.node(name="red", owner="red")
        self.conductor.call("create_node", values={"uuid": str(uuid4()), "name": "blue", "owner": "blue"})
        self.assertEqual([red], [node["uuid"] for node in self.get("/v1/nodes")["nodes"]])
        self.assertEqual([red], [node["uuid"] for node in self.get("/v1/nodes?project=blue")["nodes"]])
        self.assert_refused(self.request("GET", "/v1/nodes/blue"), 404)
        self.assert_refused(self.patch("/v1/nodes/blue", ("replace", "/name", "x")), 404)

    def test_what_is_not_allowed_is_forbidden(self) -> None:
        """The rule of a route is asked with the node as its target."""
        self.node(name="red", owner="red")
        self.assert_refused(self.request("DELETE", "/v1/nodes/red"), 403, "baremetal:node:delete")


class TestRoutes(APITestCase):
    def test_routes_are_plain_data(self) -> None:
        """Documentation is made from what stands beside the handlers."""
        listed = routes()
        by_key = {(one["method"], one["path"]): one for one in listed}
        self.assertEqual(len(listed), len(by_key))
        create = by_key["POST", "/v1/nodes"]
        self.assertEqual((201, "baremetal:node:create", "1.1"), (create["status"], create["policy"], create["since"]))
        driver = next(field for field in create["body"] if field["name"] == "driver")
        self.assertTrue(driver["required"])
        self.assertEqual("string", driver["schema"]["type"])

    def test_every_route_has_a_rule_a_summary_and_help_for_what_it_takes(self) -> None:
        """Nothing is served that is not described."""
        for one in routes():
            self.assertTrue(one["policy"] and one["summary"], one["path"])
            fields = one["body"] if isinstance(one["body"], list) else []
            for parameter in [*one["query"], *fields]:
                self.assertTrue(parameter["help"], (one["path"], parameter["name"]))
