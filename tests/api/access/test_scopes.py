"""What projects see and may change, and what nobody is shown."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.v1.catalog import role_policy
from baremetal_sdk.auth import Identity
from baremetal_sdk.store.records.hardware import VolumeTargetRecord
from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from tests.fixtures.api_access import RBACTestCase, member, system

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
                self.assert_refused(answer, 403, f"baremetal:node:update:{field}", "the project that owns it")
        for who in (member("lessee", "admin"), member("owner", "admin"), system("reader")):
            self.assert_refused(self.ask(who, "PATCH", NODE, replacing("owner", "lessee")), 403, "role member")
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
            self.assert_refused(refused, 400, "owner")
        refused = self.ask(admin, "POST", "/v1/runbooks", {**body, "public": True})
        self.assert_refused(refused, 400, "public")
        refused = self.ask(admin, "POST", "/v1/allocations", {"resource_class": "x", "owner": "other"})
        self.assert_refused(refused, 403, "baremetal:allocation:create_restricted")

    def test_a_lessee_works_with_its_node(self) -> None:
        """Power, maintenance and provisioning are an operator's, for the lessee as well; its members turn it on and off."""
        mere = member("lessee", "member")
        self.assertEqual(202, self.ask(mere, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assertEqual(200, self.ask(mere, "PATCH", NODE, replacing("extra", {})).status)
        self.assertEqual(200, self.ask(mere, "PATCH", NODE, replacing("description", "x")).status)
        self.assert_refused(self.ask(mere, "PATCH", NODE, replacing("instance_info", {})), 403, "leases")
        self.assert_refused(self.ask(mere, "PATCH", NODE, replacing("maintenance", True)), 403, "leases")
        self.assert_refused(self.ask(mere, "PUT", f"{NODE}/maintenance", {"reason": "x"}), 403, "leases")
        self.assert_refused(self.ask(mere, "GET", f"{NODE}/management/boot_device"), 403, "that owns it")
        operator = member("lessee", "operator")
        self.assertEqual(202, self.ask(operator, "PUT", f"{NODE}/maintenance", {"reason": "x"}).status)
        self.assertEqual(202, self.ask(operator, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assert_refused(self.ask(operator, "DELETE", NODE), 403, "baremetal:node:delete", "admin")
        self.assert_refused(self.ask(member("lessee", "admin"), "DELETE", NODE), 403, "that owns it")
        self.assertEqual(204, self.ask(member("owner", "admin"), "DELETE", NODE).status)

    def test_who_only_uses_a_node_does_not_learn_what_is_behind_it(self) -> None:
        """How it is reached, what it does there, who works on it and what failed is shown to its owner, not to its lessee."""
        store = self.conductor.store
        store.update_node(
            store.node("m1").uuid, {"last_error": "meow", "driver_info": {"redfish_address": "https://bmc"}}, fence=None
        )
        for path, records in ((NODE, None), ("/v1/nodes/detail", "nodes"), ("/v1/nodes?fields=last_error,driver_info", "nodes")):
            for who, shown in ((member("owner", "reader"), True), (system("reader"), True), (member("lessee", "admin"), False)):
                body = self.ask(who, "GET", path).json
                node = body if records is None else body[records][0]
                self.assertEqual(shown, node["last_error"] == "meow", (who, path))
                self.assertEqual(shown, "redfish_address" in node["driver_info"], (who, path))
        patched = self.ask(member("lessee", "admin"), "PATCH", NODE, replacing("extra", {}))
        self.assertIn("node:get:driver_info", patched.json["driver_info"]["content"])
        for below in ("history", "inventory", "explain"):
            self.assert_refused(self.ask(member("lessee", "admin"), "GET", f"{NODE}/{below}"), 403, "that owns it")

    def test_how_a_volume_is_reached_is_for_admins_and_the_whole_system(self) -> None:
        """Others are told which rule it takes."""
        store = self.conductor.store
        made = store.create_record(
            VolumeTargetRecord(str(uuid4()), store.node("m1").uuid, "iscsi", "v", 0, {"portal": "10.0.0.1"})
        )
        for who, shown in ((member("owner", "operator"), False), (member("lessee", "admin"), True), (system("reader"), True)):
            target = self.ask(who, "GET", f"/v1/volume/targets/{made.uuid}").json
            self.assertEqual(shown, target["properties"] == {"portal": "10.0.0.1"}, target)

    def test_an_owner_is_not_changed_under_who_uses_the_node(self) -> None:
        """Not of an active node, unless by an admin of the whole system; and not of one that is allocated to a project."""
        store = self.conductor.store
        uuid = store.node("m1").uuid
        store.update_node(uuid, {"provision_state": "active"}, fence=None)
        self.assert_refused(self.ask(system("member"), "PATCH", NODE, replacing("owner", "x")), 409, "owner")
        self.assertEqual(200, self.ask(system("admin"), "PATCH", NODE, replacing("owner", "x")).status)
        allocated = AllocationRecord(uuid=str(uuid4()), node_uuid=uuid, owner="p", resource_class="x", state="active")
        store.update_node(uuid, {"allocation_uuid": store.create_record(allocated).uuid}, fence=None)
        self.assert_refused(self.ask(system("admin"), "PATCH", NODE, replacing("owner", "y")), 409, "allocated")

    def test_a_parent_is_of_the_same_owner(self) -> None:
        """Another one cannot be taken, and is not told from one that is missing."""
        other = self.ask(system("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "other"}).json["uuid"]
        mine = self.ask(system("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "owner"}).json["uuid"]
        told = {
            self.ask(system("admin"), "PATCH", NODE, replacing("parent_node", one)).message.replace(one, "")
            for one in (other, str(uuid4()))
        }
        self.assertEqual(1, len(told), told)
        self.assertEqual(200, self.ask(system("admin"), "PATCH", NODE, replacing("parent_node", mine)).status)

    def test_a_runbook_is_used_by_managers_of_who_owns_it_and_a_public_one_by_all(self) -> None:
        """A member may provision the node, and still not use it."""
        store = self.conductor.store
        made = store.create_record(RunbookRecord(str(uuid4()), "CUSTOM_R", (), owner="owner"))
        body = {"target": "clean", "runbook": made.uuid}
        refused = self.ask(member("owner", "member"), "PUT", f"{NODE}/states/provision", body)
        self.assert_refused(refused, 403, "baremetal:runbook:use")
        self.assertNotEqual(403, self.ask(member("owner", "manager"), "PUT", f"{NODE}/states/provision", body).status)
        self.assertEqual(404, self.ask(member("lessee", "manager"), "PUT", f"{NODE}/states/provision", body).status)
        store.update_record(RunbookRecord, made.uuid, {"public": True, "owner": None}, revision=made.revision)
        self.assertNotIn(self.ask(member("lessee", "manager"), "PUT", f"{NODE}/states/provision", body).status, (403, 404))

    def test_what_is_sent_is_looked_at_after_who_sends_it(self) -> None:
        """Who may not is not told what else was wrong."""
        body = {"target": "clean", "clean_steps": [{"nonsense": True}]}
        self.assert_refused(self.ask(member("lessee", "member"), "PUT", f"{NODE}/states/provision", body), 403, "leases")
        self.assert_refused(self.ask(member("owner", "member"), "PUT", f"{NODE}/states/provision", body), 400, "clean_steps")


class TestServices(RBACTestCase):
    service = member("p", "service", project_name="services")

    def who_may(self) -> Policy:
        """Services of the project ``services`` serve the whole system."""
        return role_policy("services")

    def test_a_service_of_the_project_of_services_serves_the_whole_system(self) -> None:
        """It sees and operates all nodes; what takes an admin is not for it; what it makes is its project's."""
        self.assertEqual(["m1"], [node["name"] for node in self.ask(self.service, "GET", "/v1/nodes").json["nodes"]])
        self.assertEqual(202, self.ask(self.service, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assert_refused(self.ask(self.service, "DELETE", NODE), 403, "admin")
        self.assertEqual("p", self.ask(self.service, "POST", "/v1/nodes", {"driver": "fake-hardware"}).json["owner"])

    def test_others_with_the_role_serve_their_project(self) -> None:
        """What others own is not there for them."""
        other = member("p", "service", project_name="other")
        self.assertEqual([], self.ask(other, "GET", "/v1/nodes").json["nodes"])
        self.assertEqual(404, self.ask(other, "GET", NODE).status)


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
        log = self.useFixture(FakeLogger("baremetal_sdk.api.policy", level=logging.DEBUG))
        self.ask(member("lessee", "admin"), "DELETE", NODE)
        self.assertIn("baremetal:node:delete:self_owned_node refused for user 'lessee-admin'", log.output)
        self.assertIn("it requires the role admin in the project that owns it", log.output)
