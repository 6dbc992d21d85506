"""The rights of projects on nodes and other records, and the secrets that no response has."""

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
from baremetal_sdk.store.records.hardware import ChassisRecord, VolumeTargetRecord
from baremetal_sdk.store.records.policy import AllocationRecord, DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from tests.fixtures.api_access import RBACTestCase, project_identity, system_identity

NODE = "/v1/nodes/m1"
SECRET = "tiger-in-the-tank"


def replace_patch(field: str, value: Any) -> list[dict[str, Any]]:
    """Return a patch that replaces one field."""
    return [{"op": "replace", "path": f"/{field}", "value": value}]


class TestScopes(RBACTestCase):
    def test_listings_have_the_nodes_of_the_project(self) -> None:
        """A project sees the nodes that it owns or leases. Pages are full, because the store filters them."""
        for number in range(6):
            owner = "owner" if number % 2 else "other"
            self.request_as(
                system_identity("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "name": f"n{number}", "owner": owner}
            )
        for project, expected in (("owner", ["m1", "n1", "n3", "n5"]), ("lessee", ["m1"]), ("other", ["n0", "n2", "n4"])):
            nodes = self.request_as(project_identity(project, "reader"), "GET", "/v1/nodes").json["nodes"]
            self.assertEqual(expected, [node["name"] for node in nodes])
        page = self.request_as(project_identity("other", "reader"), "GET", "/v1/nodes?limit=2").json
        self.assertEqual(["n0", "n2"], [node["name"] for node in page["nodes"]])
        self.assertIn("next", page)

    def test_lessee_cannot_take_over_a_node(self) -> None:
        """Owner, lessee and BMC access of a node can be changed only by the owner's admins and in the whole system."""
        fields = {"lessee": "x", "driver_info": {"redfish_address": "https://mine.example"}}
        for field, value in fields.items():
            for identity in (
                project_identity("lessee", "admin"),
                project_identity("owner", "operator"),
                system_identity("operator"),
            ):
                response = self.request_as(identity, "PATCH", NODE, replace_patch(field, value))
                self.assert_refused(response, 403, f"baremetal:node:update:{field}", "the project that owns it")
        for identity in (project_identity("lessee", "admin"), project_identity("owner", "admin"), system_identity("reader")):
            self.assert_refused(self.request_as(identity, "PATCH", NODE, replace_patch("owner", "lessee")), 403, "role member")
        self.assertEqual("owner", self.conductor.store.node("m1").owner)
        for identity in (project_identity("lessee", "operator"), project_identity("owner", "operator")):
            self.assertEqual(200, self.request_as(identity, "PATCH", NODE, replace_patch("extra", {"by": identity.user})).status)
        self.assertEqual(
            200, self.request_as(project_identity("owner", "admin"), "PATCH", NODE, replace_patch("lessee", "y")).status
        )

    def test_policy_is_checked_before_the_microversion(self) -> None:
        """Where Ironic does so, a client without permission gets 403 also for a microversion without the route."""
        for path, minor, status in (
            ("states/boot_mode", 75, 404),
            ("states/secure_boot", 75, 404),
            ("states/raid", 11, 406),
        ):
            for identity in (system_identity("reader"), project_identity("owner", "reader")):
                refused = self.request_as(identity, "PUT", f"{NODE}/{path}", {"target": "uefi"}, version=f"1.{minor}")
                self.assert_refused(refused, 403, "is not allowed")
            allowed = self.request_as(system_identity("admin"), "PUT", f"{NODE}/{path}", {"target": "uefi"}, version=f"1.{minor}")
            self.assertEqual(status, allowed.status, path)
            hidden = self.request_as(project_identity("other", "admin"), "PUT", f"{NODE}/{path}", {}, version=f"1.{minor}")
            self.assert_refused(hidden, 404, "not found")
        properties = "/v1/drivers/fake-hardware/raid/logical_disk_properties"
        refused = self.request_as(project_identity("owner", "reader"), "GET", properties, version="1.11")
        self.assert_refused(refused, 403, "is not allowed")

    def test_project_owns_the_records_that_it_creates(self) -> None:
        """The owner of a new record is the client's project. Another owner is refused."""
        admin = project_identity("owner", "admin")
        made = self.request_as(admin, "POST", "/v1/nodes", {"driver": "fake-hardware"})
        self.assertEqual(201, made.status)
        self.assertEqual("owner", made.json["owner"])
        for path, body in (
            ("nodes", {"driver": "fake-hardware"}),
            ("runbooks", {"name": "CUSTOM_R", "steps": [{"interface": "bios", "step": "x", "args": {}, "order": 1}]}),
        ):
            refused = self.request_as(admin, "POST", f"/v1/{path}", {**body, "owner": "other"})
            self.assert_refused(refused, 400, "owner")
        refused = self.request_as(admin, "POST", "/v1/runbooks", {**body, "public": True})
        self.assert_refused(refused, 400, "public")
        refused = self.request_as(admin, "POST", "/v1/allocations", {"resource_class": "x", "owner": "other"})
        self.assert_refused(refused, 403, "baremetal:allocation:create_restricted")

    def test_lessee_operates_its_node(self) -> None:
        """Operators of the lessee may change power and maintenance. Its members may change power and some fields."""
        lessee_member = project_identity("lessee", "member")
        self.assertEqual(202, self.request_as(lessee_member, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assertEqual(200, self.request_as(lessee_member, "PATCH", NODE, replace_patch("extra", {})).status)
        self.assertEqual(200, self.request_as(lessee_member, "PATCH", NODE, replace_patch("description", "x")).status)
        self.assert_refused(self.request_as(lessee_member, "PATCH", NODE, replace_patch("instance_info", {})), 403, "leases")
        self.assert_refused(self.request_as(lessee_member, "PATCH", NODE, replace_patch("maintenance", True)), 403, "leases")
        self.assert_refused(self.request_as(lessee_member, "PUT", f"{NODE}/maintenance", {"reason": "x"}), 403, "leases")
        self.assert_refused(self.request_as(lessee_member, "GET", f"{NODE}/management/boot_device"), 403, "that owns it")
        operator = project_identity("lessee", "operator")
        self.assertEqual(202, self.request_as(operator, "PUT", f"{NODE}/maintenance", {"reason": "x"}).status)
        self.assertEqual(202, self.request_as(operator, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assert_refused(self.request_as(operator, "DELETE", NODE), 403, "baremetal:node:delete", "admin")
        self.assert_refused(self.request_as(project_identity("lessee", "admin"), "DELETE", NODE), 403, "that owns it")
        self.assertEqual(204, self.request_as(project_identity("owner", "admin"), "DELETE", NODE).status)

    def test_lessee_does_not_see_the_infrastructure(self) -> None:
        """BMC access, errors, history, inventory and explanation of a node are visible to its owner and not to its lessee."""
        store = self.conductor.store
        store.update_node(
            store.node("m1").uuid, {"last_error": "meow", "driver_info": {"redfish_address": "https://bmc"}}, fence=None
        )
        for path, records in ((NODE, None), ("/v1/nodes/detail", "nodes"), ("/v1/nodes?fields=last_error,driver_info", "nodes")):
            for identity, shown in (
                (project_identity("owner", "reader"), True),
                (system_identity("reader"), True),
                (project_identity("lessee", "admin"), False),
            ):
                body = self.request_as(identity, "GET", path).json
                node = body if records is None else body[records][0]
                self.assertEqual(shown, node["last_error"] == "meow", (identity, path))
                self.assertEqual(shown, "redfish_address" in node["driver_info"], (identity, path))
        patched = self.request_as(project_identity("lessee", "admin"), "PATCH", NODE, replace_patch("extra", {}))
        self.assertIn("node:get:driver_info", patched.json["driver_info"]["content"])
        for below in ("history", "inventory", "explain"):
            self.assert_refused(
                self.request_as(project_identity("lessee", "admin"), "GET", f"{NODE}/{below}"), 403, "that owns it"
            )

    def test_volume_properties_need_a_rule(self) -> None:
        """The properties of a volume target are visible to admins and in the whole system. Others see the rule's name."""
        store = self.conductor.store
        made = store.create_record(
            VolumeTargetRecord(str(uuid4()), store.node("m1").uuid, "iscsi", "v", 0, {"portal": "10.0.0.1"})
        )
        for identity, shown in (
            (project_identity("owner", "operator"), False),
            (project_identity("lessee", "admin"), True),
            (system_identity("reader"), True),
        ):
            target = self.request_as(identity, "GET", f"/v1/volume/targets/{made.uuid}").json
            self.assertEqual(shown, target["properties"] == {"portal": "10.0.0.1"}, target)

    def test_owner_of_a_used_node_is_protected(self) -> None:
        """The owner of an active node can be changed only by system admins, that of an allocated node by no client."""
        store = self.conductor.store
        uuid = store.node("m1").uuid
        store.update_node(uuid, {"provision_state": "active"}, fence=None)
        self.assert_refused(self.request_as(system_identity("member"), "PATCH", NODE, replace_patch("owner", "x")), 409, "owner")
        self.assertEqual(200, self.request_as(system_identity("admin"), "PATCH", NODE, replace_patch("owner", "x")).status)
        allocated = AllocationRecord(uuid=str(uuid4()), node_uuid=uuid, owner="p", resource_class="x", state="active")
        store.update_node(uuid, {"allocation_uuid": store.create_record(allocated).uuid}, fence=None)
        self.assert_refused(
            self.request_as(system_identity("admin"), "PATCH", NODE, replace_patch("owner", "y")), 409, "allocated"
        )

    def test_parent_has_the_same_owner(self) -> None:
        """A parent of another owner is refused, with the same message as an unknown node."""
        other = self.request_as(
            system_identity("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "other"}
        ).json["uuid"]
        mine = self.request_as(system_identity("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "owner"}).json[
            "uuid"
        ]
        messages = {
            self.request_as(system_identity("admin"), "PATCH", NODE, replace_patch("parent_node", parent)).message.replace(
                parent, ""
            )
            for parent in (other, str(uuid4()))
        }
        self.assertEqual(1, len(messages), messages)
        self.assertEqual(200, self.request_as(system_identity("admin"), "PATCH", NODE, replace_patch("parent_node", mine)).status)

    def test_runbook_needs_a_manager_of_its_owner(self) -> None:
        """Managers of the owning project may use a runbook, members may not. All projects may use a public runbook."""
        store = self.conductor.store
        made = store.create_record(RunbookRecord(str(uuid4()), "CUSTOM_R", (), owner="owner"))
        body = {"target": "clean", "runbook": made.uuid}
        refused = self.request_as(project_identity("owner", "member"), "PUT", f"{NODE}/states/provision", body)
        self.assert_refused(refused, 403, "baremetal:runbook:use")
        self.assertNotEqual(
            403, self.request_as(project_identity("owner", "manager"), "PUT", f"{NODE}/states/provision", body).status
        )
        self.assertEqual(
            404, self.request_as(project_identity("lessee", "manager"), "PUT", f"{NODE}/states/provision", body).status
        )
        store.update_record(RunbookRecord, made.uuid, {"public": True, "owner": None}, revision=made.revision)
        self.assertNotIn(
            self.request_as(project_identity("lessee", "manager"), "PUT", f"{NODE}/states/provision", body).status, (403, 404)
        )

    def test_policy_is_checked_before_the_body(self) -> None:
        """A client without the right gets 403 and no errors about the body."""
        body = {"target": "clean", "clean_steps": [{"nonsense": True}]}
        self.assert_refused(
            self.request_as(project_identity("lessee", "member"), "PUT", f"{NODE}/states/provision", body), 403, "leases"
        )
        self.assert_refused(
            self.request_as(project_identity("owner", "member"), "PUT", f"{NODE}/states/provision", body), 400, "clean_steps"
        )


class TestServices(RBACTestCase):
    service = project_identity("p", "service", project_name="services")

    def build_policy(self) -> Policy:
        """Give services in the project ``services`` rights in the whole system."""
        return role_policy("services")

    def test_service_in_the_service_project_has_system_rights(self) -> None:
        """It sees and operates all nodes, has no rights of admins, and its project owns the nodes that it creates."""
        self.assertEqual(["m1"], [node["name"] for node in self.request_as(self.service, "GET", "/v1/nodes").json["nodes"]])
        self.assertEqual(202, self.request_as(self.service, "PUT", f"{NODE}/states/power", {"target": "power on"}).status)
        self.assert_refused(self.request_as(self.service, "DELETE", NODE), 403, "admin")
        self.assertEqual("p", self.request_as(self.service, "POST", "/v1/nodes", {"driver": "fake-hardware"}).json["owner"])

    def test_service_in_another_project_has_project_rights(self) -> None:
        """A service in another project sees no nodes of other projects."""
        other = project_identity("p", "service", project_name="other")
        self.assertEqual([], self.request_as(other, "GET", "/v1/nodes").json["nodes"])
        self.assertEqual(404, self.request_as(other, "GET", NODE).status)


class TestSecrets(RBACTestCase):
    readers: tuple[Identity, ...] = (system_identity("reader"), project_identity("owner", "reader"))

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

    def test_reader_sees_no_secret(self) -> None:
        """No response has the secrets in free-form fields or in URLs."""
        for route in routes():
            if route["method"] == "GET" and route["visibility"] != "public":
                path = route["path"]
                for name, uuid in self.made.items():
                    path = path.replace(f"{{{name}}}", uuid)
                for identity in self.readers:
                    for query in ("", "?detail=true"):
                        response = self.request_as(identity, "GET", path + query)
                        self.assertNotIn(SECRET.encode(), response.raw, path)


class TestAudit(RBACTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger("baremetal_sdk.audit"))

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the audit log."""
        return [json.loads(line) for line in self.log.output.splitlines()]

    def test_change_is_logged(self) -> None:
        """The line of a change has client, rule, target, address, outcome and request ID. Reads have no line."""
        operator = project_identity("lessee", "operator")
        response = self.request_as(operator, "PUT", f"{NODE}/states/power", {"target": "power on"})
        self.request_as(operator, "GET", NODE)
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
            "request_id": response.headers["x-openstack-request-id"],
        }
        self.assertEqual(expected, {name: value for name, value in line.items() if name not in ("peer", "made")})

    def test_refusal_is_logged_without_secrets(self) -> None:
        """Refused reads have a line, too. No line has the values of written fields."""
        self.request_as(system_identity("admin"), "PATCH", NODE, replace_patch("driver_info/password", SECRET))
        self.request_as(
            system_identity("admin"), "POST", "/v1/nodes", {"driver": "fake-hardware", "driver_info": {"password": SECRET}}
        )
        self.request_as(system_identity(), "GET", NODE)
        self.assertNotIn(SECRET, self.log.output)
        patched, created, refused = self.lines()
        self.assertEqual(["driver_info"], patched["fields"])
        self.assertEqual("done", created["outcome"])
        self.assertEqual(["driver", "driver_info"], created["fields"])
        self.assertIn("/v1/nodes/", created["made"])
        self.assertEqual("refused", refused["outcome"])
        self.assertEqual(403, refused["status"])

    def test_decisions_are_logged_at_debug(self) -> None:
        """The decision log has rule, client and reason of each decision."""
        log = self.useFixture(FakeLogger("baremetal_sdk.api.policy", level=logging.DEBUG))
        self.request_as(project_identity("lessee", "admin"), "DELETE", NODE)
        self.assertIn("baremetal:node:delete:self_owned_node refused for user 'lessee-admin'", log.output)
        self.assertIn("it requires the role admin in the project that owns it", log.output)


class TestChassisOfNodes(RBACTestCase):
    def test_project_cannot_find_out_which_chassis_exist(self) -> None:
        """The nodes of an existing and of an unknown chassis are the same list for a project. Others see an error."""
        chassis = self.conductor.store.create_record(ChassisRecord(uuid=str(uuid4()))).uuid
        unknown = "11111111-1111-4111-8111-111111111111"
        for path in ("nodes", "nodes/detail"):
            self.identity = system_identity("reader")
            self.assertEqual(404, self.request("GET", f"/v1/chassis/{unknown}/{path}").status)
            self.identity = project_identity("stranger", "admin")
            known, other = (self.request("GET", f"/v1/chassis/{uuid}/{path}") for uuid in (chassis, unknown))
            self.assertEqual((known.status, known.json), (other.status, other.json))
        known, other = (self.request("GET", f"/v1/nodes?chassis_uuid={uuid}") for uuid in (chassis, unknown))
        self.assertEqual((known.status, known.json), (other.status, other.json))
