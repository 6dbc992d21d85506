"""Invalid input to a real service: each error names the mistake, and nothing is half done."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.machine import Power
from metald.client import APIError
from tests.system.redfish_fleet import PASSWORD, USERNAME, FleetCase


class TestBadInput(FleetCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.serve()
        self.client = self.service.client

    def create(self, **values: Any) -> Any:
        return self.client.create_node({"driver": "redfish", "name": "n", **values})

    def test_an_invalid_node_is_rejected(self) -> None:
        """An unknown driver, unknown field, wrong type or unknown interface is a 400 that names it, and creates no node."""
        mistakes: list[tuple[dict[str, Any], str]] = [
            ({"driver": "redfihs"}, "redfish"),
            ({"colour": "red"}, "colour"),
            ({"properties": "many"}, "properties"),
            ({"power_interface": "steam"}, "power_interface"),
        ]
        for values, name in mistakes:
            error = self.get_error(lambda values=values: self.create(**values))
            self.assertEqual(400, error.status, str(error))
            self.assertIn(name, str(error))
        self.assertEqual([], self.client.request("GET", "/v1/nodes")["nodes"])

    def test_a_duplicate_name_is_a_conflict(self) -> None:
        """The second node with a name is rejected with 409, and the first node does not change."""
        first = self.create()
        error = self.get_error(self.create)
        self.assertEqual(409, error.status)
        self.assertIn("n", str(error))
        self.assertEqual(first["uuid"], self.client.get_node("n")["uuid"])

    def test_all_problems_of_driver_info_are_reported_together(self) -> None:
        """Any ``driver_info`` can be stored. ``validate`` and ``manage`` report all its missing and wrong fields at once."""
        node = self.create(
            driver_info={"redfish_address": "ftp://x", "redfish_username": "joe", "redfish_verify_ca": "/no/such/file"}
        )["uuid"]
        report = self.client.request("GET", f"/v1/nodes/{node}/validate")["power"]
        self.assertFalse(report["result"])
        error = self.get_error(self.client.set_provision_state, node, "manage")
        self.assertEqual(400, error.status)
        for text in (report["reason"], str(error)):
            self.assertIn("redfish_address", text)
            self.assertIn("redfish_password", text)
        after = self.client.get_node(node)
        self.assertEqual(("enroll", None), (after["provision_state"], after["last_error"]))

    def test_a_forbidden_verb_names_the_allowed_ones(self) -> None:
        """The verb provide in the state enroll is rejected with 400, and the error names manage."""
        node = self.enroll(self.service)
        error = self.get_error(self.client.set_provision_state, node, "provide")
        self.assertEqual(400, error.status)
        self.assertIn("allowed now: manage", str(error))

    def test_an_unreachable_bmc_leaves_the_node_in_enroll(self) -> None:
        """If nothing listens on the address, manage ends in enroll, and last_error names the address and the remedy."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            node = self.enroll(self.service, redfish_address=f"http://127.0.0.1:{unused.getsockname()[1]}")
            record = self.provision(self.service, node, "manage")
        self.assertEqual("enroll", record["provision_state"])
        self.assertIn("127.0.0.1", record["last_error"])
        self.assertIn("check its address", record["last_error"])

    def test_a_wrong_password_is_reported_without_the_password(self) -> None:
        """With a wrong password, manage ends in enroll. The error mentions rejected credentials and does not contain them."""
        node = self.enroll(self.service, redfish_password="wrong-canary-99")
        record = self.provision(self.service, node, "manage")
        self.assertEqual("enroll", record["provision_state"])
        self.assertIn("refuses the credentials", record["last_error"])
        self.assertNotIn("wrong-canary-99", json.dumps(record) + self.service.log)
        self.assertLessEqual(self.redfish.bmc().counters.refused_logins, 2)

    def test_a_missing_image_fails_the_deployment_and_leaves_the_machine_off(self) -> None:
        """If the ISO's URL answers 404, the state is 'deploy failed', last_error names boot_iso, and no medium is inserted."""
        node = self.enroll(self.service, boot_iso=self.image_url + ".missing")
        record = self.provision(self.service, node, "manage", "provide", "active")
        self.assertEqual(("deploy failed", "power off"), (record["provision_state"], record["power_state"]))
        self.assertIn("instance_info/boot_iso", record["last_error"])
        self.assertEqual((Power.OFF, {}), (self.redfish.machine().power, self.redfish.machine().media))

    def test_an_agent_deployment_can_be_selected_and_is_rejected(self) -> None:
        """The interface direct can be selected; validate reports that agents are not supported, and active is rejected."""
        node = self.enroll(self.service)
        self.provision(self.service, node, "manage", "provide")
        self.client.set_field(node, "deploy_interface", "direct")
        self.assertIn("agent", self.client.request("GET", f"/v1/nodes/{node}/validate")["deploy"]["reason"])
        self.assertEqual(400, self.get_error(self.client.set_provision_state, node, "active").status)
        self.assertEqual("available", self.client.get_node(node)["provision_state"])


class TestSecrecy(FleetCase):
    def test_a_password_never_appears_in_output(self) -> None:
        """No response, DEBUG log line, database byte or process attribute contains it. A mask in a request changes nothing."""
        service = self.serve()
        node = self.enroll(service)
        self.provision(service, node, "manage", "inspect", "provide", "active")
        answers = "".join(
            json.dumps(service.client.request("GET", path))
            for path in (
                f"/v1/nodes/{node}",
                "/v1/nodes/detail",
                *(f"/v1/nodes/{node}/{part}" for part in ("validate", "states", "history", "explain")),
            )
        )
        self.assertIn('"redfish_password": "******"', answers)
        shown = service.client.get_node(node)["driver_info"]
        service.client.set_field(node, "driver_info", {**shown, "redfish_username": "operator"})
        self.assertEqual("available", self.provision(service, node, "deleted")["provision_state"])
        process = Path(f"/proc/{service.child.pid}")
        process_data = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        text = answers.encode() + service.log.encode() + self.read_database() + process_data
        self.assertNotIn(PASSWORD.encode(), text)
        self.assertNotIn(base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()), text)
        sessions = self.redfish.bmc().sessions.all()
        self.assertEqual([], [session.identifier for session in sessions if session.token.encode() in text])

    def test_a_password_changed_at_the_bmc_is_tried_only_twice(self) -> None:
        """Background jobs and requests together cause two rejected logins, too few to lock an account. A new password works."""
        options = self.state.with_name("often.conf")
        options.write_text("[conductor]\nsync_power_state_interval = 0.2\n", encoding="ascii")
        service = self.serve("--config-file", str(options))
        node = self.enroll(service)
        self.provision(service, node, "manage", "inspect", "provide", "active")
        before = self.redfish.bmc().counters.refused_logins
        self.redfish.set_account(Account(USERNAME, "changed-canary"))
        self.wait_for_node(service, node, lambda seen: seen["fault"] == "power failure")
        for target in ("power off", "rebooting"):
            service.client.set_power_state(node, target)
            seen = self.wait_for_node(service, node, lambda seen: seen["target_power_state"] is None and seen["last_error"])
        self.assertRaises(APIError, service.client.request, "GET", f"/v1/nodes/{node}/management/boot_device")
        self.assertIn("credentials", seen["last_error"])
        self.assertEqual(2, self.redfish.bmc().counters.refused_logins - before)
        service.client.set_field(node, "driver_info/redfish_password", "changed-canary")
        self.wait_for_node(service, node, lambda seen: (seen["power_state"], seen["fault"]) == ("power on", None))

    def test_errors_have_ironics_format_and_a_request_id(self) -> None:
        """The error body is JSON that contains the fault as a JSON string, and a header has the request ID."""
        service = self.serve()
        request = urllib.request.Request(service.url + "/v1/nodes/nothing-here")
        with self.http_error(request) as error:
            body = json.loads(error.read())
            inner = json.loads(body["error_message"])
            self.assertEqual({"faultstring", "faultcode", "debuginfo"}, set(inner))
            self.assertRegex(error.headers["openstack-request-id"], r"^req-[0-9a-f-]{36}$")

    def test_a_request_id_is_on_all_log_lines_of_its_work(self) -> None:
        """The log lines of background work have the request ID of the response."""
        service = self.serve()
        node = self.enroll(service)
        request = urllib.request.Request(
            f"{service.url}/v1/nodes/{node}/states/provision",
            data=b'{"target": "manage"}',
            method="PUT",
            headers={"Content-Type": "application/json", "X-OpenStack-Ironic-API-Version": "1.80"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            request_id = response.headers["openstack-request-id"]
        self.wait_for_node(service, node, lambda seen: seen["provision_state"] == "manageable")
        lines = [line for line in service.log.splitlines() if f"node {node}: provision state" in line]
        self.assertEqual(2, len(lines))
        self.assertEqual([], [line for line in lines if f"[{request_id}]" not in line])

    def http_error(self, request: urllib.request.Request) -> Any:
        error = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, request, timeout=10)
        return error
