"""Policy files, which override the rules of the routes."""

from __future__ import annotations

import os
from pathlib import Path

from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.access.oslo_policy import FilePolicy, list_rules
from baremetal_sdk.api.v1.catalog import role_policy
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import ConfigurationError
from tests.api.access import test_table
from tests.fixtures.api_access import RBACTestCase, project_identity, system_identity

DELETE = "baremetal:node:delete"


class TestFilePolicy(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.useFixture(TempDir()).path) / "policy.yaml"

    def policy(self, text: str) -> FilePolicy:
        self.path.write_text(text)
        return FilePolicy(role_policy().rules, str(self.path))

    def test_file_changes_the_rules_that_it_names(self) -> None:
        """Other rules stay, a changed file is read again, and an error names the required check."""
        policy = self.policy(f'"{DELETE}": "role:deleter"\n')
        admin, deleter = (RequestContext(user="u", roles=frozenset({role}), is_system=True) for role in ("admin", "deleter"))
        policy.enforce(DELETE, deleter, {})
        self.assertIn("role:deleter", str(self.assertRaises(Forbidden, policy.enforce, DELETE, admin, {})))
        policy.enforce("baremetal:node:create", admin, {})
        self.path.write_text("{}\n")
        os.utime(self.path, (2_000_000_000, 2_000_000_000))
        policy.enforce(DELETE, admin, {})

    def test_invalid_file_fails_at_the_start(self) -> None:
        """The error for a missing or invalid file names the option."""
        self.assertIn("policy_file", str(self.assertRaises(ConfigurationError, FilePolicy, {}, "/nowhere/policy.yaml")))
        self.assertIn("policy_file", str(self.assertRaises(ConfigurationError, self.policy, "a: [")))

    def test_invalid_change_is_logged(self) -> None:
        """If a changed file is invalid or missing, the previous rules stay in force."""
        log = self.useFixture(FakeLogger("baremetal_sdk.api.access.oslo_policy"))
        policy = self.policy(f'"{DELETE}": "role:deleter"\n')
        deleter = RequestContext(user="u", roles=frozenset({"deleter"}), is_system=True)
        self.path.write_text("a: [")
        self.assertTrue(policy.allows(DELETE, deleter, {}))
        self.assertIn("cannot use", log.output)
        self.path.unlink()
        self.assertTrue(policy.allows(DELETE, deleter, {}))

    def test_client_without_a_project_owns_nothing(self) -> None:
        """A target without an owner does not match a client without a project."""
        context = RequestContext(user="u", roles=frozenset({"admin"}))
        self.assertRaises(Forbidden, self.policy("{}").enforce, "baremetal:node:get", context, {"node.owner": None})

    def test_sample_has_all_rules(self) -> None:
        """The sample has the rules of routes and fields, and the checks that policy files for Ironic refer to."""
        self.assertEqual(set(role_policy().rules), {rule.name for rule in list_rules() if rule.name in role_policy().rules})
        [listing] = [rule for rule in list_rules() if rule.name == "baremetal:node:list"]
        self.assertIn({"method": "GET", "path": "/v1/nodes/detail"}, listing.operations)
        self.assertIn("the role reader (or higher)", listing.description)
        self.assertLess({"service_role", "is_admin", "is_node_owner", "public_api"}, {rule.name for rule in list_rules()})


class TestFileForIronic(RBACTestCase):
    """A policy file for Ironic."""

    text = """
"is_admin": "role:admin"
"baremetal:node:list_all": "rule:is_admin"
"baremetal:node:get": "rule:is_admin or project_id:%(node.owner)s"
"baremetal:node:update_extra": "role:tagger and project_id:%(node.owner)s"
"baremetal:node:update": "!"
"baremetal:step:execute:raid.delete_configuration": "role:storage"
"show_password": "rule:is_admin"
"baremetal:node:frobnicate": "@"
"""

    def build_policy(self) -> FilePolicy:
        self.log = self.useFixture(FakeLogger("baremetal_sdk.api.access.oslo_policy"))
        path = Path(self.useFixture(TempDir()).path) / "policy.yaml"
        path.write_text(self.text)
        return FilePolicy(role_policy().rules, str(path))

    def test_rules_have_the_meaning_of_ironic(self) -> None:
        """A rule can give a project's admin all nodes. The rule of a field applies without that of the whole node."""
        admin, tagger = project_identity("stranger", "admin"), project_identity("owner", "tagger")
        self.assertEqual(1, len(self.request_as(admin, "GET", "/v1/nodes").json["nodes"]))
        self.assertEqual(200, self.request_as(admin, "GET", "/v1/nodes/m1").status)
        self.assertEqual(404, self.request_as(project_identity("lessee", "reader"), "GET", "/v1/nodes/m1").status)
        self.assertEqual(
            200, self.request_as(tagger, "PATCH", "/v1/nodes/m1", [{"op": "add", "path": "/extra/a", "value": 1}]).status
        )
        refused = self.request_as(tagger, "PATCH", "/v1/nodes/m1", [{"op": "add", "path": "/description", "value": "x"}])
        self.assert_refused(refused, 403, "baremetal:node:update")

    def test_step_may_have_a_rule(self) -> None:
        """The rule of a step decides who may send it or write it into a runbook. Steps without a rule are not restricted."""
        sender = project_identity("owner", "member")
        for step, status in (("raid.delete_configuration", 403), ("bios.apply_configuration", 202)):
            interface, name = step.split(".")
            steps = [{"interface": interface, "step": name, "args": {}}]
            body = {"target": "clean", "clean_steps": steps}
            response = self.request_as(sender, "PUT", "/v1/nodes/m1/states/provision", body)
            self.assertEqual(status, response.status, response.raw)
            runbook = {"name": "CUSTOM_R", "steps": [{**steps[0], "order": 1}]}
            made = self.request_as(project_identity("owner", "manager"), "POST", "/v1/runbooks", runbook)
            self.assertEqual(status == 403, made.status == 403, made.raw)

    def test_unused_rules_are_logged(self) -> None:
        """A warning names rules without effect, such as those of Ironic that show secrets."""
        self.assertIn("baremetal:node:frobnicate, show_password", self.log.output)


class TestTableWithAFile(test_table.TestTable):
    """All routes with a file that repeats a default. Each rule is then decided by oslo.policy, with the same results."""

    identities = (
        *(system_identity(role) for role in ("reader", "operator")),
        *(project_identity(project, "operator") for project in ("owner", "lessee")),
        project_identity("stranger", "admin"),
    )

    def build_policy(self) -> FilePolicy:
        path = Path(self.useFixture(TempDir()).path) / "policy.yaml"
        path.write_text('"service_role": "role:service and project_name:%(config.service_project_name)s"\n')
        return FilePolicy(role_policy().rules, str(path))
