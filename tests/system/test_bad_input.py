"""Bad input to the real service: each mistake is named, and leaves nothing half done."""

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

    def test_what_cannot_be_created_is_named(self) -> None:
        """An unknown driver, an unknown field, a wrong type and a wrong interface are 400, each named, and no node is there."""
        mistakes: list[tuple[dict[str, Any], str]] = [
            ({"driver": "redfihs"}, "redfish"),
            ({"colour": "red"}, "colour"),
            ({"properties": "many"}, "properties"),
            ({"power_interface": "steam"}, "power_interface"),
        ]
        for values, named in mistakes:
            error = self.refusal(lambda values=values: self.create(**values))
            self.assertEqual(400, error.status, str(error))
            self.assertIn(named, str(error))
        self.assertEqual([], self.client.request("GET", "/v1/nodes")["nodes"])

    def test_a_name_that_is_taken_is_a_conflict(self) -> None:
        """The second node of one name is refused with 409, and the first is as it was."""
        first = self.create()
        error = self.refusal(self.create)
        self.assertEqual(409, error.status)
        self.assertIn("n", str(error))
        self.assertEqual(first["uuid"], self.client.get_node("n")["uuid"])

    def test_driver_info_is_told_all_at_once(self) -> None:
        """driver_info is taken as it is; validate and manage name everything that is missing or wrong in one answer."""
        node = self.create(
            driver_info={"redfish_address": "ftp://x", "redfish_username": "joe", "redfish_verify_ca": "/no/such/file"}
        )["uuid"]
        told = self.client.request("GET", f"/v1/nodes/{node}/validate")["power"]
        self.assertFalse(told["result"])
        error = self.refusal(self.client.set_provision_state, node, "manage")
        self.assertEqual(400, error.status)
        for text in (told["reason"], str(error), self.client.get_node(node)["last_error"]):
            self.assertIn("redfish_address", text)
            self.assertIn("redfish_password", text)
        self.assertEqual("enroll", self.client.get_node(node)["provision_state"])

    def test_a_state_change_that_is_not_allowed_names_those_that_are(self) -> None:
        """provide from enroll is 400 and names manage."""
        node = self.enrol(self.service)
        error = self.refusal(self.client.set_provision_state, node, "provide")
        self.assertEqual(400, error.status)
        self.assertIn("allowed now: manage", str(error))

    def test_a_bmc_that_is_not_there_leaves_the_node_enrolled(self) -> None:
        """With an address where nobody listens, manage ends in enroll; last_error names the address and the remedy."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            node = self.enrol(self.service, redfish_address=f"http://127.0.0.1:{unused.getsockname()[1]}")
            record = self.walk(self.service, node, "manage")
        self.assertEqual("enroll", record["provision_state"])
        self.assertIn("127.0.0.1", record["last_error"])
        self.assertIn("check its address", record["last_error"])

    def test_a_wrong_password_is_told_without_the_password(self) -> None:
        """With a wrong password manage ends in enroll, says that the credentials are refused, and does not show them."""
        node = self.enrol(self.service, redfish_password="wrong-canary-99")
        record = self.walk(self.service, node, "manage")
        self.assertEqual("enroll", record["provision_state"])
        self.assertIn("refuses the credentials", record["last_error"])
        self.assertNotIn("wrong-canary-99", json.dumps(record) + self.service.log)
        self.assertLessEqual(self.redfish.bmc().counters.refused_logins, 2)

    def test_an_image_that_is_not_there_fails_the_deployment_and_leaves_the_machine_off(self) -> None:
        """When the ISO's URL answers 404 the node is 'deploy failed', names boot_iso, and nothing is inserted."""
        node = self.enrol(self.service, boot_iso=self.image_url + ".missing")
        record = self.walk(self.service, node, "manage", "provide", "active")
        self.assertEqual(("deploy failed", "power off"), (record["provision_state"], record["power_state"]))
        self.assertIn("instance_info/boot_iso", record["last_error"])
        self.assertEqual((Power.OFF, {}), (self.redfish.machine().power, self.redfish.machine().media))

    def test_an_agent_deployment_can_be_selected_and_is_refused(self) -> None:
        """direct can be set; validate says that there is no agent, and active is refused."""
        node = self.enrol(self.service)
        self.walk(self.service, node, "manage", "provide")
        self.client.set_field(node, "deploy_interface", "direct")
        self.assertIn("agent", self.client.request("GET", f"/v1/nodes/{node}/validate")["deploy"]["reason"])
        self.assertEqual(400, self.refusal(self.client.set_provision_state, node, "active").status)
        self.assertEqual("available", self.client.get_node(node)["provision_state"])


class TestSecrecy(FleetCase):
    def test_a_password_never_comes_back_out(self) -> None:
        """It is in no answer, log line at DEBUG, byte of the database or view of the process; a mask sent back is no change."""
        service = self.serve()
        node = self.enrol(service)
        self.walk(service, node, "manage", "inspect", "provide", "active")
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
        self.assertEqual("available", self.walk(service, node, "deleted")["provision_state"])
        process = Path(f"/proc/{service.child.pid}")
        shown_of_it = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        text = answers.encode() + service.log.encode() + self.database_text() + shown_of_it
        self.assertNotIn(PASSWORD.encode(), text)
        self.assertNotIn(base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()), text)
        self.assertEqual([], [one.identifier for one in self.redfish.bmc().sessions.all() if one.token.encode() in text])

    def test_a_password_that_was_changed_at_the_bmc_is_tried_twice_at_most(self) -> None:
        """Whatever runs in the background and whoever asks: so no account is locked; the new one is used once it is given."""
        options = self.state.with_name("often.conf")
        options.write_text("[conductor]\nsync_power_state_interval = 0.2\n", encoding="ascii")
        service = self.serve("--config-file", str(options))
        node = self.enrol(service)
        self.walk(service, node, "manage", "inspect", "provide", "active")
        before = self.redfish.bmc().counters.refused_logins
        self.redfish.set_account(Account(USERNAME, "changed-canary"))
        self.until(service, node, lambda seen: seen["fault"] == "power failure")
        for target in ("power off", "rebooting"):
            service.client.set_power_state(node, target)
            seen = self.until(service, node, lambda seen: seen["target_power_state"] is None and seen["last_error"])
        self.assertRaises(APIError, service.client.request, "GET", f"/v1/nodes/{node}/management/boot_device")
        self.assertIn("credentials", seen["last_error"])
        self.assertEqual(2, self.redfish.bmc().counters.refused_logins - before)
        service.client.set_field(node, "driver_info/redfish_password", "changed-canary")
        self.until(service, node, lambda seen: (seen["power_state"], seen["fault"]) == ("power on", None))

    def test_errors_have_the_clients_format_and_a_request_id(self) -> None:
        """An error is JSON inside a string, as clients read it, and can be found in the log by its request id."""
        service = self.serve()
        request = urllib.request.Request(service.url + "/v1/nodes/nothing-here")
        with self.http_error(request) as error:
            body = json.loads(error.read())
            inner = json.loads(body["error_message"])
            self.assertEqual({"faultstring", "faultcode", "debuginfo"}, set(inner))
            self.assertRegex(error.headers["openstack-request-id"], r"^req-[0-9a-f-]{36}$")

    def test_a_request_can_be_followed_through_the_log(self) -> None:
        """The request id of an answer is on every line that its work in the background writes."""
        service = self.serve()
        node = self.enrol(service)
        request = urllib.request.Request(
            f"{service.url}/v1/nodes/{node}/states/provision",
            data=b'{"target": "manage"}',
            method="PUT",
            headers={"Content-Type": "application/json", "X-OpenStack-Ironic-API-Version": "1.80"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            request_id = response.headers["openstack-request-id"]
        self.until(service, node, lambda seen: seen["provision_state"] == "manageable")
        lines = [line for line in service.log.splitlines() if f"node {node}: provision state" in line]
        self.assertEqual(2, len(lines))
        self.assertEqual([], [line for line in lines if f"[{request_id}]" not in line])

    def http_error(self, request: urllib.request.Request) -> Any:
        error = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, request, timeout=10)
        return error
