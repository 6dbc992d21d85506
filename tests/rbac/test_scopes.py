"""What projects see and may change, and what nobody is shown."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.auth import Identity
from baremetal_sdk.store.records_hardware import VolumeTargetRecord
from baremetal_sdk.store.records_policy import DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from tests.rbac.world import RBACTestCase, member, system

NODE = "/v1/nodes/m1"
SECRET = "tiger-in-the-tank"


def replacing(field: str, value: Any) -> list[dict[str, Any]]:
    """A patch of one field."""
    return [{"op": "replace", "path": f"/{field}", "value": value}]


class TestScopes(RBACTestCase):
    def test_listings_hold_what_a_project_owns_or_leases(self) -> None:
        """Pages are full: what others own is not fetched and dropped."""
        for number in range(6):
            owner = "owner" if number % 2 else "other"
            self.ask(system("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "name": f"n{number}", "owner": owner})
        for project, expected in (("owner", ["m1", "n1", "n3", "n5"]), ("lessee", ["m1"]), ("other", ["n0", "n2", "n4"])):
            nodes = self.ask(member(project, "reader"), "GET", "/v1/nodes").json["nodes"]
            self.assertEqual(expected, [node["name"] for node in nodes])
        page = self.ask(member("other", "reader"), "GET", "/v1/nodes?limit=2").json
        self.assertEqual((["n0", "n2"], True), ([node["name"] for node in page["nodes"]], "next" in page))

    def test_who_leases_a_node_cannot_make_it_its_own(self) -> None:
        """Fields that say whose a node is, and how it is reached, are for an admin of its owner, or for the whole system."""
        fields = {"lessee": "x", "driver_info": {"redfish_address": "https://mine.example"}}
        for field, value in fields.items():
            for who in (member("lessee", "admin"), member("owner", "operator"), system("operator")):
                answer = self.ask(who, "PATCH", NODE, replacing(field, value))
                self.assert_refused(answer, 403, f"baremetal:node:update:{field}", "admin" if "oper" in who.user else "owner")
        for who in (member("lessee", "admin"), member("owner", "admin"), system("reader")):
            self.assert_refused(self.ask(who, "PATCH", NODE, replacing("owner", "lessee")), 403, "role operator")
        self.assertEqual("owner", self.conductor.store.node("m1").owner)
        for who in (member("lessee", "operator"), member("owner", "operator")):
            self.assertEqual(200, self.ask(who, "PATCH", NODE, replacing("extra", {"by": who.user})).status)
        self.assertEqual(200, self.ask(member("owner", "admin"), "PATCH", NODE, replacing("lessee", "y")).status)

    def test_what_a_project_creates_is_its_own(self) -> None:
        """The owner is the project, whether it was said or not; another one is refused."""
        admin = member("owner", "admin")
        made = self.ask(admin, "POST", "/v1/nodes", {"driver": "fake-hardware"})
        self.assertEqual((201, "owner"), (made.status, made.json["owner"]))
        for path, body in (
            ("nodes", {"driver": "fake-hardware"}),
            ("runbooks", {"name": "CUSTOM_R", "steps": [{"interface": "bios", "step": "x", "args": {}, "order": 1}]}),
        ):
            refused = self.ask(admin, "POST", f"/v1/{path}", {**body, "owner": "other"})
            self.assert_refused(refused, 403, "owner")
        refused = self.ask(admin, "POST", "/v1/runbooks", {**body, "public": True})
        self.assert_refused(refused, 403, "public")

    def test_a_lessee_works_with_its_node(self) -> None:
        """Power, maintenance and provisioning are an operator's, for the lessee as well; its members turn it on and off."""
        mere = member("lessee", "member")
        self.assertEqual(202, self.ask(mere, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assertEqual(200, self.ask(mere, "PATCH", NODE, replacing("extra", {})).status)
        self.assert_refused(self.ask(mere, "PATCH", NODE, replacing("description", "x")), 403, "leases")
        self.assert_refused(self.ask(mere, "PUT", f"{NODE}/maintenance", {"reason": "x"}), 403, "leases")
        self.assert_refused(self.ask(mere, "GET", f"{NODE}/management/boot_device"), 403, "owner")
        operator = member("lessee", "operator")
        self.assertEqual(202, self.ask(operator, "PUT", f"{NODE}/maintenance", {"reason": "x"}).status)
        self.assertEqual(202, self.ask(operator, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assert_refused(self.ask(operator, "DELETE", NODE), 403, "baremetal:node:delete", "admin")
        self.assert_refused(self.ask(member("lessee", "admin"), "DELETE", NODE), 403, "owner")
        self.assertEqual(204, self.ask(member("owner", "admin"), "DELETE", NODE).status)


class TestSecrets(RBACTestCase):
    readers: tuple[Identity, ...] = (system("reader"), member("owner", "reader"))

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(FakeLogger(level=logging.CRITICAL))
        store = self.conductor.store
        hidden = {"password": SECRET, "image": f"https://u:{SECRET}@images.example/x"}
        node = store.node("m1")
        changes = {
            "instance_info": {**hidden, "configdrive": SECRET},
            "driver_internal_info": {"agent_secret_token": SECRET},
        }
        store.update_node(node.uuid, changes, fence=None)
        step = {"interface": "bios", "step": "x", "args": hidden, "priority": 1, "order": 1}
        self.made = {
            "target": store.create_record(VolumeTargetRecord(str(uuid4()), node.uuid, "iscsi", "v", 0, hidden)).uuid,
            "template": store.create_record(DeployTemplateRecord(str(uuid4()), "CUSTOM_T", (step,))).uuid,
            "runbook": store.create_record(RunbookRecord(str(uuid4()), "CUSTOM_R", (step,), public=True)).uuid,
            "rule": store.create_record(
                InspectionRuleRecord(str(uuid4()), sensitive=True, actions=({"op": "set-attribute", "args": hidden},))
            ).uuid,
            "node": "m1",
        }

    def test_a_reader_sees_no_secret(self) -> None:
        """What lies in free-form fields under a secret's name, or in a URL, is in no answer to anybody."""
        for route in routes():
            if route["method"] == "GET" and route["visibility"] != "public":
                path = route["path"]
                for name, uuid in self.made.items():
                    path = path.replace(f"{{{name}}}", uuid)
                for who in self.readers:
                    for query in ("", "?detail=true"):
                        answer = self.ask(who, "GET", path + query)
                        self.assertNotIn(SECRET.encode(), answer.raw, path)


class TestAudit(RBACTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger("baremetal_sdk.audit"))

    def lines(self) -> list[dict[str, Any]]:
        """What was written."""
        return [json.loads(line) for line in self.log.output.splitlines()]

    def test_changes_leave_a_line(self) -> None:
        """It says who, what, to what, from where, with which outcome, in which request; reads leave none."""
        who = member("lessee", "operator")
        answer = self.ask(who, "PUT", f"{NODE}/states/power", {"target": "power on"})
        self.ask(who, "GET", NODE)
        [line] = self.lines()
        expected = {
            "what": "baremetal:node:set_power_state",
            "who": "lessee-operator",
            "project": "lessee",
            "roles": ["operator"],
            "request": "PUT /v1/nodes/{node}/states/power",
            "target": {"node": "m1"},
            "fields": ["target"],
            "asked_for": "power on",
            "status": 202,
            "outcome": "accepted",
            "request_id": answer.headers["x-openstack-request-id"],
        }
        self.assertEqual(expected, {name: value for name, value in line.items() if name not in ("peer", "made")})

    def test_refusals_leave_a_line_and_no_line_has_a_secret(self) -> None:
        """Also one that only read; values that were sent are not repeated."""
        self.ask(system("admin"), "PATCH", NODE, replacing("driver_info/password", SECRET))
        self.ask(system("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "driver_info": {"password": SECRET}})
        self.ask(system(), "GET", NODE)
        self.assertNotIn(SECRET, self.log.output)
        patched, created, refused = self.lines()
        self.assertEqual(["driver_info"], patched["fields"])
        self.assertEqual(("done", ["driver", "driver_info"]), (created["outcome"], created["fields"]))
        self.assertIn("/v1/nodes/", created["made"])
        self.assertEqual(("refused", 403), (refused["outcome"], refused["status"]))

    def test_decisions_can_be_explained(self) -> None:
        """At level DEBUG each one is told, with the rule, the caller and the reason."""
        log = self.useFixture(FakeLogger("baremetal_sdk.api.roles", level=logging.DEBUG))
        self.ask(member("lessee", "admin"), "DELETE", NODE)
        self.assertIn("baremetal:node:delete is refused to user 'lessee-admin'", log.output)
        self.assertIn("for the owner", log.output)
