"""The rules beside Ironic's own, asked for every persona: who may what there, may it here."""

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
"""The environment variable that names the Python of an environment with Ironic in it."""
SERVICES = "service"
ROLES = (
    frozenset({"reader"}),
    frozenset({"reader", "member"}),
    frozenset({"reader", "member", "manager"}),
    frozenset({"reader", "member", "manager", "admin"}),
    frozenset({"service"}),
    frozenset[str](),
)
"""What Keystone gives with each role: those that it implies as well."""
HELD_OTHERWISE: Mapping[str, str] = {
    "baremetal:runbook:create": "every service may",
    "baremetal:runbook:get": "a service sees its own project's and the public ones",
    "baremetal:runbook:update": "a service changes its own project's",
    "baremetal:runbook:delete": "a service deletes its own project's",
    "baremetal:runbook:use": "a service uses its own project's and the public ones",
}
NEVER_ASKED = {
    "show_password", "show_instance_secrets", "baremetal:allocation:create_pre_rbac", "baremetal:inspection_rule:list_all",
}  # fmt: skip
"""Rules of Ironic that nothing here asks for: secrets are shown to nobody, and nobody is from before there were these roles."""


def ironics_rules() -> dict[str, str]:
    """The rules with their defaults, as Ironic's own sample of a policy file tells them."""
    generator = Path(os.environ[PYTHON]).with_name("oslopolicy-sample-generator")
    command = [generator, "--namespace", "ironic.api"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return {name: check for name, check in re.findall(r'^#"([^"]+)": "(.*)"$', told, re.MULTILINE) if name != check}


def contexts() -> Iterator[RequestContext]:
    """Everybody: each role in the whole system, in a project and in that of services."""
    for roles in ROLES:
        yield RequestContext(user="u", roles=roles, is_system=True)
        yield RequestContext(user="u", roles=roles, project="mine", project_name="mine")
        yield RequestContext(user="u", roles=roles, project="mine", project_name=SERVICES)


def targets(rule: str) -> Iterator[dict[str, Any]]:
    """What a rule may be asked for: of the caller's project, of others."""
    kind = rule.removeprefix("baremetal:").partition(":")[0]
    owner = f"{kind}.owner" if kind in ("allocation", "runbook") else "node.owner"
    for owned, leased in itertools.product(("mine", "other"), ("mine", "other", None)):
        yield {owner: owned, **({} if leased is None or owner != "node.owner" else {LESSEE: leased})}


class TestIronicsPolicy(TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not os.environ.get(PYTHON):
            self.skipTest(f"{PYTHON} names no Python with Ironic in it: tox -e keystone")
        self.ironics = ironics_rules()
        conf = cfg.ConfigOpts()
        conf(args=[], default_config_files=[], default_config_dirs=[])
        self.enforcer = policy.Enforcer(conf, rules=policy.Rules.from_dict(self.ironics), use_conf=False)

    def allowed_there(self, rule: str, context: RequestContext, target: Mapping[str, Any], elevated: bool) -> bool:
        """What Ironic's rule says."""
        given = {**target, **({"config.service_project_name": SERVICES} if elevated else {})}
        who = {
            "project_id": context.project,
            "project_name": context.project_name,
            "roles": sorted(context.roles),
            "system_scope": "all" if context.is_system else None,
        }
        return bool(self.enforcer.enforce(rule, given, who))

    def test_there_is_every_rule_of_it(self) -> None:
        """By the same name, so that policy files for Ironic mean the same here."""
        asked = {name for name in self.ironics if name.startswith(("baremetal:", "show_"))}
        self.assertEqual(NEVER_ASKED, asked - set(role_policy().rules))

    def test_personas_may_here_what_they_may_there(self) -> None:
        """For each rule, with and without services that serve the whole system."""
        told = []
        for elevated in (False, True):
            ours = role_policy(SERVICES if elevated else None)
            for rule in sorted((set(self.ironics) & set(ours.rules)) - {*HELD_OTHERWISE, "public_api"}):
                for context, target in itertools.product(contexts(), targets(rule)):
                    here, there = ours.allows(rule, context, target), self.allowed_there(rule, context, target, elevated)
                    if here != there:
                        told.append(f"{rule} {elevated=} {describe_caller(context)} {target} {here=}")
        self.assertEqual([], told)

    def test_what_is_held_otherwise_is_stricter(self) -> None:
        """Nobody may here what the rule of Ironic refuses."""
        ours = role_policy(SERVICES)
        for rule in HELD_OTHERWISE:
            for context, target in itertools.product(contexts(), targets(rule)):
                if ours.allows(rule, context, target):
                    self.assertTrue(self.allowed_there(rule, context, target, True), (rule, context, target))
