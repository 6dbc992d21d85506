"""Application of inspection rules, and their validation."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from typing import Any

from testtools import TestCase

from baremetal_interfaces import DriverError
from baremetal_sdk.inspection_rules.engine import InspectionData, apply_rules
from baremetal_sdk.inspection_rules.language import find_problems
from baremetal_sdk.store import InspectionRuleRecord
from tests.fixtures.raw_server import RawServer, answer, once, read_request

MAC = "52:54:00:aa:bb:cc"


def create_data() -> InspectionData:
    """Return the data of an inspected node with one port."""
    port = {"uuid": "p-1", "address": MAC, "extra": {}, "pxe_enabled": True}
    node = {
        "uuid": "n-1",
        "name": "n1",
        "properties": {"capabilities": "a:1,b:2"},
        "extra": {},
        "driver_info": {},
        "traits": ["CUSTOM_A"],
        "description": "d",
    }
    return InspectionData(node, {"cpu": {"count": 8}, "bmc_address": "192.0.2.7"}, {"list": ["x"]}, {"p-1": port, MAC: port})


def rule(*actions: dict[str, Any], conditions: Any = (), **fields: Any) -> InspectionRuleRecord:
    """Return a rule with these actions."""
    return InspectionRuleRecord("r-1", actions=actions, conditions=tuple(conditions), **fields)


def action(op: str, **more: Any) -> dict[str, Any]:
    """Return an action with these arguments and an optional loop."""
    loop = {"loop": more.pop("loop")} if "loop" in more else {}
    return {"op": op, "args": more, **loop}


def run_actions(*actions: dict[str, Any]) -> InspectionData:
    """Run these actions and return the data."""
    data = create_data()
    apply_rules([rule(*actions)], data)
    return data


class TestActions(TestCase):
    def test_fields_of_the_node_are_written(self) -> None:
        """Fields are set, extended and deleted at any depth. Missing objects are created. Slashes and dots are equivalent."""
        for given, expected in (
            (
                action("set-attribute", path="/driver_info/address", value="https://{inventory[bmc_address]}"),
                {"driver_info": {"address": "https://192.0.2.7"}},
            ),
            (action("set-attribute", path="extra.a.b", value=[1]), {"extra": {"a": {"b": [1]}}}),
            (action("set-attribute", path="/resource_class", value="large"), {"resource_class": "large"}),
            (action("extend-attribute", path="/extra/list", value="x"), {"extra": {"list": ["x"]}}),
            (action("del-attribute", path="/properties/capabilities"), {"properties": {}}),
            (action("del-attribute", path="/properties/nope/deeper"), {"properties": {"capabilities": "a:1,b:2", "nope": {}}}),
            (action("del-attribute", path="/description"), {"description": None}),
            (action("set-capability", name="b", value=3), {"properties": {"capabilities": "a:1,b:3"}}),
            (action("unset-capability", name="a"), {"properties": {"capabilities": "b:2"}}),
            (action("add-trait", name="CUSTOM_B"), {"traits": ("CUSTOM_A", "CUSTOM_B")}),
            (action("remove-trait", name="CUSTOM_A"), {"traits": ()}),
        ):
            self.assertEqual(expected, run_actions(given).changes(), given)

    def test_unique_extends_a_list_once(self) -> None:
        """With unique, a present value is not added again. Without it, each action adds the value."""
        for unique, expected in ((True, ["x", "y"]), (False, ["x", "y", "x"])):
            actions = [action("extend-attribute", path="/extra/l", value=value, unique=unique) for value in ("x", "y", "x")]
            self.assertEqual(expected, run_actions(*actions).node["extra"]["l"])

    def test_plugin_data_is_written(self) -> None:
        """Plugin data is set, extended and deleted, and the fields of the node do not change."""
        data = run_actions(
            action("set-plugin-data", path="a/b", value=1),
            action("extend-plugin-data", path="list", value="y"),
            action("set-plugin-data", path="removed", value=1),
            action("unset-plugin-data", path="removed"),
        )
        self.assertEqual({"a": {"b": 1}, "list": ["x", "y"]}, data.plugin_data)
        self.assertEqual({}, data.changes())

    def test_ports_are_written(self) -> None:
        """A port is identified by its MAC address, in upper or lower case, or by its UUID."""
        data = run_actions(
            action("set-port-attribute", port_id=MAC.upper(), path="/pxe_enabled", value=False),
            action("extend-port-attribute", port_id="p-1", path="/extra/l", value=1),
            action("del-port-attribute", port_id="p-1", path="/extra/nope"),
        )
        self.assertEqual({"p-1": {"pxe_enabled", "extra"}}, data.changed_ports)
        self.assertIs(False, data.ports[MAC]["pxe_enabled"])
        self.assertEqual({"l": [1]}, data.ports[MAC]["extra"])

    def test_loops_repeat_an_action(self) -> None:
        """An action with a loop runs once for each item."""
        items = [{"path": "/extra/a", "value": 1}, {"path": "/extra/b", "value": "x"}]
        data = run_actions(action("set-attribute", path="{item[path]}", value="{item[value]}", loop=items))
        self.assertEqual({"a": "1", "b": "x"}, data.node["extra"])

    def test_a_failure_names_the_rule(self) -> None:
        """A failing action raises DriverError with the name of the rule. The content of a sensitive rule is not shown."""
        for wrong, word in (
            (action("set-attribute", path="/provision_state", value="active"), "provision_state"),
            (action("set-attribute", path="/uuid", value="x"), "uuid"),
            (action("extend-attribute", path="/properties/capabilities", value="x"), "not a list"),
            (action("set-attribute", path="/properties/capabilities/x", value="x"), "not an object"),
            (action("set-port-attribute", port_id="nope", path="/extra/a", value=1), "nope"),
            (action("api-call", url="file:///etc/passwd"), "http"),
            (action("fail", msg="{node.name} is too old"), "n1 is too old"),
        ):
            for sensitive in (False, True):
                error = self.assertRaises(
                    DriverError, apply_rules, [rule(wrong, description="mine", sensitive=sensitive)], create_data()
                )
                self.assertIn("mine", str(error))
                self.assertEqual(sensitive, word not in str(error), str(error))

    def test_conditions_see_the_changes_of_earlier_rules(self) -> None:
        """A rule runs only if its conditions hold. It sees the changes of the rules before it."""
        data = create_data()
        is_set = {"op": "eq", "args": {"values": ["{node.extra[a]}", "1"]}}
        skipped = rule(
            action("set-attribute", path="/extra/b", value=1), conditions=[{"op": "is-true", "args": {"value": False}}]
        )
        apply_rules(
            [
                rule(action("set-attribute", path="/extra/a", value=1)),
                skipped,
                rule(action("add-trait", name="CUSTOM_X"), conditions=[is_set]),
            ],
            data,
        )
        self.assertEqual({"a": 1}, data.node["extra"])
        self.assertEqual(["CUSTOM_A", "CUSTOM_X"], data.node["traits"])

    def test_log_writes_a_line(self) -> None:
        """The action log writes its message at its level, with the node."""
        with self.assertLogs("baremetal_sdk.inspection_rules.engine", "WARNING") as logs:
            run_actions(action("log", msg="found {node.name}", level="warning"), action("log", msg="quiet"))
        self.assertEqual(["WARNING:baremetal_sdk.inspection_rules.engine:node n-1: found n1"], logs.output)

    def test_api_call_sends_a_request(self) -> None:
        """The request has the headers of the action. After the last failed retry the rule fails, without the URL's query."""
        requests: list[tuple[str, str | None]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append((self.path, self.headers["X-Node"]))
                self.send_response(200 if self.path == "/good" else 500)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        base = f"http://127.0.0.1:{server.server_port}"
        run_actions(action("api-call", url=f"{base}/good", headers={"X-Node": "{node.name}"}))
        bad = action("api-call", url=f"{base}/bad?token=tiger", retries=1, backoff_factor=0)
        self.assertNotIn("tiger", str(self.assertRaises(DriverError, run_actions, bad)))
        self.assertEqual([("/good", "n1"), ("/bad?token=tiger", None), ("/bad?token=tiger", None)], requests)

    def test_api_call_ends_in_time(self) -> None:
        """The timeout is for the whole request, also if the server sends its response one byte at a time."""

        def drip(client: socket.socket) -> None:
            read_request(client)
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            while not server.released.wait(0.05):
                client.sendall(b"X")

        with RawServer(drip) as server:
            begun = time.monotonic()
            slow = action("api-call", url=f"http://127.0.0.1:{server.port}/", timeout=0.5, retries=1, backoff_factor=0)
            self.assertIn("did not respond in time", str(self.assertRaises(DriverError, run_actions, slow)))
            self.assertLess(time.monotonic() - begun, 30.0)
            self.assertEqual(2, server.connections)

    def test_api_call_reports_responses_and_urls_that_are_not_valid(self) -> None:
        """A response that is not HTTP, and a URL or a header that is not valid, fail the rule by name."""
        with RawServer(once(b"hello\r\n\r\n")) as server:
            for arguments in (
                {"url": f"http://127.0.0.1:{server.port}/"},
                {"url": "http://[::1/"},
                {"url": "http://127.0.0.1:port/"},
                {"url": f"http://127.0.0.1:{server.port}/", "headers": {"X": "a\r\nb"}},
            ):
                failing = action("api-call", **arguments, retries=0)
                self.assertIn("api-call: request to", str(self.assertRaises(DriverError, run_actions, failing)))

    def test_api_call_quotes_the_url(self) -> None:
        """Spaces and letters of other scripts in a URL, as in values of references, are quoted."""
        requests: list[bytes] = []

        def script(client: socket.socket) -> None:
            requests.append(read_request(client))
            client.sendall(answer())

        with RawServer(script) as server:
            run_actions(action("api-call", url=f"http://127.0.0.1:{server.port}/rack 1/ü%20?a=b c"))
        self.assertEqual(b"GET /rack%201/%C3%BC%20?a=b%20c HTTP/1.1", requests[0].partition(b"\r\n")[0])


class TestLanguage(TestCase):
    def test_all_problems_of_a_rule_are_reported_together(self) -> None:
        """Each problem names its place in the rule."""
        good = action("fail", msg="x")
        for wrong, place in (
            ({"actions": []}, "actions"),
            ({"phase": "late"}, "phase"),
            ({"priority": -1}, "priority"),
            ({"priority": 10000}, "priority"),
            ({"actions": [good, {"op": "bogus", "args": {}}]}, "actions[1].op"),
            ({"actions": [{"op": "fail"}]}, "actions[0]"),
            ({"actions": [{"op": "fail", "args": {}}]}, "actions[0].args.msg"),
            ({"actions": [{"op": "fail", "args": {"msg": "x", "bogus": 1}}]}, "actions[0].args.bogus"),
            ({"actions": [{"op": "fail", "args": ["a", "b"]}]}, "actions[0].args"),
            ({"actions": [{**good, "bogus": 1}]}, "actions[0].bogus"),
            ({"actions": [{**good, "loop": 3}]}, "actions[0].loop"),
            ({"actions": [action("log", msg="x", level="loud")]}, "actions[0].args.level"),
            ({"actions": ["x"]}, "actions[0]"),
            ({"conditions": [{"op": "!bogus", "args": {}}]}, "conditions[0].op"),
            ({"conditions": [{"op": "matches", "args": {"value": "x", "regex": "("}}]}, "conditions[0].args.regex"),
            ({"conditions": [{"op": "eq", "args": {"values": 1}}]}, "conditions[0].args.values"),
            ({"conditions": [{"op": "is-true", "args": {"value": 1}, "multiple": "some"}]}, "conditions[0].multiple"),
        ):
            self.assertEqual([place], [problem.field for problem in find_problems({"actions": [good], **wrong})], wrong)
        self.assertEqual([], find_problems({"actions": [good], "conditions": [{"op": "! eq", "args": [1, 2, 3, 4]}]}))
        self.assertEqual(2, len(find_problems({"actions": [], "phase": "late"})))
