"""Comparison with Ironic's policy: each rule allows the same clients as in Ironic."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy
from testtools import TestCase

from baremetal_sdk.api.access.personas import LESSEE
from baremetal_sdk.api.access.policy import describe_caller
from baremetal_sdk.api.v1.catalog import role_policy
from baremetal_sdk.context import RequestContext

PYTHON = "BAREMETAL_TEST_IRONIC"
"""The environment variable with the path of a Python that has Ironic installed."""
SERVICE_PROJECT = "service"
ROLES = (
    frozenset({"reader"}),
    frozenset({"reader", "member"}),
    frozenset({"reader", "member", "manager"}),
    frozenset({"reader", "member", "manager", "admin"}),
    frozenset({"service"}),
    frozenset[str](),
)
"""The roles in a Keystone token for each assigned role, with the roles that it implies."""
STRICTER_RULES: Mapping[str, str] = {
    "baremetal:runbook:create": "in Ironic every service may create one",
    "baremetal:runbook:get": "a service sees the runbooks of its project and public ones",
    "baremetal:runbook:update": "a service changes the runbooks of its project",
    "baremetal:runbook:delete": "a service deletes the runbooks of its project",
    "baremetal:runbook:use": "a service uses the runbooks of its project and public ones",
}
UNUSED_RULES = {
    "show_password", "show_instance_secrets", "baremetal:allocation:create_pre_rbac", "baremetal:inspection_rule:list_all",
}  # fmt: skip
"""Rules of Ironic that the API does not use: it never shows secrets, and has no clients with Ironic's old roles."""


def read_ironic_rules() -> dict[str, str]:
    """Return Ironic's rules with their defaults, from its sample of a policy file."""
    generator = Path(os.environ[PYTHON]).with_name("oslopolicy-sample-generator")
    command = [generator, "--namespace", "ironic.api"]
    sample = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return {name: check for name, check in re.findall(r'^#"([^"]+)": "(.*)"$', sample, re.MULTILINE) if name != check}


def contexts() -> Iterator[RequestContext]:
    """Yield a client for each role in the whole system, in a project, and in the service project."""
    for roles in ROLES:
        yield RequestContext(user="u", roles=roles, is_system=True)
        yield RequestContext(user="u", roles=roles, project="mine", project_name="mine")
        yield RequestContext(user="u", roles=roles, project="mine", project_name=SERVICE_PROJECT)


def targets(rule: str) -> Iterator[dict[str, Any]]:
    """Yield targets of a rule that the client's project owns or leases, and others."""
    kind = rule.removeprefix("baremetal:").partition(":")[0]
    owner = f"{kind}.owner" if kind in ("allocation", "runbook") else "node.owner"
    for owned, leased in itertools.product(("mine", "other"), ("mine", "other", None)):
        yield {owner: owned, **({} if leased is None or owner != "node.owner" else {LESSEE: leased})}


class TestIronicPolicy(TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not os.environ.get(PYTHON):
            self.skipTest(f"{PYTHON} does not name a Python with Ironic; run tox -e keystone")
        self.ironic_rules = read_ironic_rules()
        conf = cfg.ConfigOpts()
        conf(args=[], default_config_files=[], default_config_dirs=[])
        self.enforcer = policy.Enforcer(conf, rules=policy.Rules.from_dict(self.ironic_rules), use_conf=False)

    def is_allowed_in_ironic(self, rule: str, context: RequestContext, target: Mapping[str, Any], elevated: bool) -> bool:
        """Return whether Ironic's rule allows the request."""
        full_target = {**target, **({"config.service_project_name": SERVICE_PROJECT} if elevated else {})}
        credentials = {
            "project_id": context.project,
            "project_name": context.project_name,
            "roles": sorted(context.roles),
            "system_scope": "all" if context.is_system else None,
        }
        return bool(self.enforcer.enforce(rule, full_target, credentials))

    def test_all_rules_of_ironic_exist(self) -> None:
        """Rules have the names of Ironic's, so that policy files for Ironic keep their meaning."""
        used = {name for name in self.ironic_rules if name.startswith(("baremetal:", "show_"))}
        self.assertEqual(UNUSED_RULES, used - set(role_policy().rules))

    def test_rules_allow_the_same_clients(self) -> None:
        """Each rule decides as in Ironic, with and without rights of services in the whole system."""
        differences = []
        for elevated in (False, True):
            ours = role_policy(SERVICE_PROJECT if elevated else None)
            for rule in sorted((set(self.ironic_rules) & set(ours.rules)) - {*STRICTER_RULES, "public_api"}):
                for context, target in itertools.product(contexts(), targets(rule)):
                    here, there = ours.allows(rule, context, target), self.is_allowed_in_ironic(rule, context, target, elevated)
                    if here != there:
                        differences.append(f"{rule} {elevated=} {describe_caller(context)} {target} {here=}")
        self.assertEqual([], differences)

    def test_other_rules_are_stricter(self) -> None:
        """The rules that differ never allow a request that Ironic refuses."""
        ours = role_policy(SERVICE_PROJECT)
        for rule in STRICTER_RULES:
            for context, target in itertools.product(contexts(), targets(rule)):
                if ours.allows(rule, context, target):
                    self.assertTrue(self.is_allowed_in_ironic(rule, context, target, True), (rule, context, target))
