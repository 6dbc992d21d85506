"""The rules of single node fields decide about the values that are stored, whatever their spelling in the request."""

from __future__ import annotations

from typing import Any

from tests.fixtures.api_access import RBACTestCase, project_identity, system_identity

NODE = "/v1/nodes/m1"
FALSE_SPELLINGS = (False, 0, "false", " false", "false\n", "\tno", " 0", "0 ", "FALSE ", "off", " OFF ", "N", "f\r\n")
OWNER_ADMIN = project_identity("owner", "admin")
LESSEE_OPERATOR = project_identity("lessee", "operator")


class TestDisabledCleaning(RBACTestCase):
    """Only an admin of the whole system turns automated cleaning off."""

    def patch_cleaning(self, identity: Any, *values: Any) -> int:
        body = [{"op": "add", "path": "/automated_clean", "value": value} for value in values]
        return self.request_as(identity, "PATCH", NODE, body).status

    def test_every_spelling_of_false_is_refused(self) -> None:
        """The rule judges the parsed value, so white space and case do not matter."""
        for identity in (LESSEE_OPERATOR, OWNER_ADMIN):
            for value in FALSE_SPELLINGS:
                self.assertEqual(403, self.patch_cleaning(identity, value), value)
        self.assertIsNone(self.conductor.store.node("m1").automated_clean)
        self.assertEqual(200, self.patch_cleaning(system_identity("admin"), " false"))
        self.assertIs(False, self.conductor.store.node("m1").automated_clean)

    def test_last_operation_decides(self) -> None:
        """Of several operations on the field, the value that would be stored is judged."""
        self.assertEqual(403, self.patch_cleaning(OWNER_ADMIN, True, " false"))
        self.assertEqual(200, self.patch_cleaning(OWNER_ADMIN, False, " true"))
        self.assertIs(True, self.conductor.store.node("m1").automated_clean)

    def test_caller_without_the_general_rule_gets_403(self) -> None:
        """A caller who may not change nodes cannot test the value of the field either."""
        body = [{"op": "test", "path": "/automated_clean", "value": None}]
        self.assertEqual(403, self.request_as(project_identity("owner", "reader"), "PATCH", NODE, body).status)


class TestCreation(RBACTestCase):
    """The admin of a project creates nodes, but not with values that only the whole system may set."""

    def test_field_of_the_whole_system_is_refused(self) -> None:
        """A creation, alone or in bulk, is refused with the rule of the field. The whole system may set the field."""
        for name, value, rule in (
            *(("automated_clean", value, "baremetal:node:disable_cleaning") for value in FALSE_SPELLINGS),
            ("shard", "s1", "baremetal:node:update:shard"),
            ("conductor_group", "G1", "baremetal:node:update:conductor_group"),
            ("disable_power_off", " yes", "baremetal:node:update:disable_power_off"),
            ("chassis_uuid", "BBBBBBBB-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "baremetal:node:update:chassis_uuid"),
            ("parent_node", "m1", "baremetal:node:update:parent_node"),
        ):
            body = {"driver": "fake-hardware", name: value}
            response = self.request_as(OWNER_ADMIN, "POST", "/v1/nodes", body)
            self.assert_refused(response, 403, rule)
            results = self.request_as(OWNER_ADMIN, "POST", "/v1/bulk/nodes", {"nodes": [body]}).json["results"]
            self.assertEqual([403], [result["status"] for result in results])
            allowed = self.request_as(system_identity("admin"), "POST", "/v1/nodes", {**body, "owner": "owner"})
            self.assertNotEqual(403, allowed.status, allowed.raw)


class TestOwnNode(RBACTestCase):
    def test_fields_of_the_owner_are_accepted(self) -> None:
        """A project's admin creates a node with every field that the owner may change later, and with default values."""
        body = {
            "driver": "fake-hardware", "name": "own", "lessee": "lessee", "retired": True, "automated_clean": " true",
            "extra": {"a": 1}, "instance_info": {"b": 2}, "properties": {"cpus": 1}, "driver_info": {"fake_username": "x"},
            "maintenance": True, "description": "d", "disable_power_off": False, "shard": None,
        }  # fmt: skip
        response = self.request_as(OWNER_ADMIN, "POST", "/v1/nodes", body)
        self.assertEqual(201, response.status, response.raw)
        self.assertEqual("owner", response.json["owner"])
