"""A policy file, over what the routes declare."""

from __future__ import annotations

import os
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.app import role_policy
from baremetal_sdk.api.policy_file import FilePolicy, list_rules
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import ConfigurationError
from tests.rbac import test_table

DELETE = "baremetal:node:delete"


class TestFilePolicy(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.useFixture(TempDir()).path) / "policy.yaml"

    def policy(self, text: str) -> FilePolicy:
        self.path.write_text(text)
        return FilePolicy(role_policy().rules, str(self.path))

    def test_a_file_changes_the_rules_that_it_names(self) -> None:
        """The others stay; a change of the file is followed; a refusal says what is needed."""
        policy = self.policy(f'"{DELETE}": "role:deleter"\n')
        admin, deleter = (RequestContext(user="u", roles=frozenset({role}), is_system=True) for role in ("admin", "deleter"))
        policy.enforce(DELETE, deleter, {})
        self.assertIn("role:deleter", str(self.assertRaises(Forbidden, policy.enforce, DELETE, admin, {})))
        policy.enforce("baremetal:node:create", admin, {})
        self.path.write_text("{}\n")
        os.utime(self.path, (2_000_000_000, 2_000_000_000))
        policy.enforce(DELETE, admin, {})

    def test_a_file_that_cannot_be_used_is_named(self) -> None:
        """At the start, with the option."""
        self.assertIn("policy_file", str(self.assertRaises(ConfigurationError, FilePolicy, {}, "/nowhere/policy.yaml")))
        self.assertIn("policy_file", str(self.assertRaises(ConfigurationError, self.policy, "a: [")))

    def test_who_has_no_project_owns_nothing(self) -> None:
        """What has no owner does not belong to those who have no project."""
        context = RequestContext(user="u", roles=frozenset({"admin"}))
        self.assertRaises(Forbidden, self.policy("{}").enforce, "baremetal:node:get", context, {"node.owner": None})

    def test_a_sample_has_every_rule(self) -> None:
        """Of the routes and of the fields."""
        self.assertEqual(sorted(role_policy().rules), [rule.name for rule in list_rules()])


class TestTableWithAFile(test_table.TestTable):
    """An empty file changes nothing: the whole table holds."""

    def who_may(self) -> FilePolicy:
        path = Path(self.useFixture(TempDir()).path) / "policy.yaml"
        path.write_text("{}\n")
        return FilePolicy(role_policy().rules, str(path))
