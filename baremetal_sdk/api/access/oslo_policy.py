"""Policy from a file in the format of oslo.policy, which overrides the default rules. Needs the extra ``keystone``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from baremetal_sdk.api.access.personas import ANYBODY, LESSEE, OWNERS, REQUIREMENTS, SERVICE, RoleRequirement
from baremetal_sdk.api.access.policy import STEP, RuleBasedPolicy
from baremetal_sdk.api.access.roles import RolePolicy, describe_persona
from baremetal_sdk.api.v1.catalog import role_policy, routes
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
OPTION = "[oslo_policy] policy_file"
_SERVICE_PROJECT = "config.service_project_name"
_ELEVATED = "rule:service_role"
_NAMED_CHECKS: Mapping[str, tuple[str, str]] = {
    "service_role": (f"role:{SERVICE} and project_name:%({_SERVICE_PROJECT})s", "The service role in the service project."),
    "public_api": ("is_public_api:True", "Requests without credentials."),
    "admin_api": ("role:admin or role:administrator", "An admin in any project."),
    "is_member": (
        "(project_domain_id:default or project_domain_id:None) and (project_name:demo or project_name:baremetal)",
        "A client in certain projects.",
    ),
    "is_observer": ("rule:is_member and (role:observer or role:baremetal_observer)", "An observer in certain projects."),
    "is_admin": (
        "rule:admin_api or (rule:is_member and role:baremetal_admin)",
        "An admin in any project, or a bare metal admin in certain projects.",
    ),
    "is_node_owner": ("project_id:%(node.owner)s", "A client in the project that owns the node."),
    "is_node_lessee": ("project_id:%(node.lessee)s", "A client in the project that leases the node."),
    "is_allocation_owner": ("project_id:%(allocation.owner)s", "A client in the project that owns the allocation."),
}
"""Checks that the rules of policy files for Ironic refer to. No route uses them directly."""
_UNUSED_RULES = ("show_password", "show_instance_secrets")
"""Rules that policy files for Ironic may contain. They have no effect, because the API never shows secrets."""


class FilePolicy(RuleBasedPolicy):
    """Policy in which oslo.policy decides the rules that the file at *path* defines. All other rules use the personas in *rules*.

    A changed file is read at the next request. If a changed file is invalid, an error is logged and the previous rules
    stay in force. *service_project* has the same meaning as in ``RolePolicy``.

    Raises ``ConfigurationError`` if the file is missing or invalid.
    """

    def __init__(self, rules: Mapping[str, str], path: str, service_project: str | None = None) -> None:
        super().__init__(rules)
        self._roles = RolePolicy(rules, service_project)
        self._constant_target = {} if service_project is None else {_SERVICE_PROJECT: service_project}
        self._path = Path(path).absolute()
        self._file_version = self._stat_file()
        try:
            self._enforcer = self._build_enforcer()
        except Exception as exc:
            raise ConfigurationError(f"{OPTION}: cannot use {path}: {exc}") from exc
        self._file_rules = self._find_file_rules()

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Return whether *rule* allows the client to act on *target*."""
        self._reload_if_changed()
        if rule not in self._file_rules or self.rules.get(rule) == ANYBODY:
            return self._roles.allows(rule, context, target)
        # A client without a project owns nothing. A check must not match it to a target without an owner.
        if not context.is_system and context.project is None:
            return False
        known = {name: value for name, value in target.items() if value is not None}
        return bool(self._enforcer.enforce(rule, {**self._constant_target, **known}, _credentials(context)))

    def required_roles(self, rule: str) -> str:
        """Return the requirement of *rule* for messages: its check string in the file, or the roles that its persona requires."""
        return str(self._enforcer.rules[rule]) if rule in self._file_rules else self._roles.required_roles(rule)

    def _reload_if_changed(self) -> None:
        version = self._stat_file()
        if version == self._file_version:
            return
        self._file_version = version
        try:
            self._enforcer = self._build_enforcer()
        except Exception:
            LOG.exception("%s: cannot use %s; keeping the previous rules", OPTION, self._path)
        self._file_rules = self._find_file_rules()

    def _stat_file(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _build_enforcer(self) -> policy.Enforcer:
        if not self._path.is_file():
            raise FileNotFoundError("the policy file does not exist or is not a file; create it (an empty file changes no rule)")
        conf = cfg.ConfigOpts()
        conf(args=[], project="baremetal-sdk", default_config_files=[], default_config_dirs=[])
        enforcer = policy.Enforcer(conf, policy_file=str(self._path))
        enforcer.suppress_deprecation_warnings = True
        enforcer.register_defaults(build_defaults(self.rules))
        enforcer.load_rules()
        # Otherwise each enforce() looks for policy files and directories again.
        enforcer.use_conf = False
        return enforcer

    def _find_file_rules(self) -> Collection[str]:
        """Return the rules that the file decides. Log a warning about rules in the file that no route uses."""
        named = set(self._enforcer.file_rules)
        others = {name for name in named - set(self.rules) if not name.startswith(STEP)}
        unused = sorted(name for name in others if name in _UNUSED_RULES or name.startswith("baremetal:"))
        if unused:
            LOG.warning(
                "%s: rules in %s have no effect; remove them or correct their names: %s", OPTION, self._path, ", ".join(unused)
            )
        # The persona checks refer to this check by name, so a new definition changes all rules.
        return set(self.rules) if _ELEVATED.removeprefix("rule:") in named else named


def build_defaults(rules: Mapping[str, str]) -> list[policy.RuleDefault]:
    """Return *rules* (rule -> persona) as defaults of oslo.policy, sorted by name, after the checks that they refer to."""
    named = [policy.RuleDefault(name, check, description) for name, (check, description) in _NAMED_CHECKS.items()]
    return [
        *(rule for rule in named if rule.name not in rules),
        *(
            policy.RuleDefault(rule, build_check(rule, persona), f"Requires {describe_persona(persona)}.")
            for rule, persona in sorted(rules.items())
        ),
    ]


def list_rules() -> list[policy.RuleDefault]:
    """Return all rules with their defaults and routes, for ``oslopolicy-sample-generator --namespace baremetal_sdk``."""
    routes_by_rule: dict[str, list[dict[str, Any]]] = {}
    for route in routes():
        routes_by_rule.setdefault(route["policy"], []).append(route)
    return [_document(rule, routes_by_rule.get(rule.name, ())) for rule in build_defaults(role_policy().rules)]


def _document(rule: policy.RuleDefault, rule_routes: Sequence[Mapping[str, Any]]) -> policy.RuleDefault:
    if not rule_routes:
        return rule
    description = f"{rule_routes[0]['summary']} {rule.description}"
    operations: Any = [{"method": route["method"], "path": route["path"]} for route in rule_routes]
    return policy.DocumentedRuleDefault(rule.name, rule.check_str, description, operations)


def build_check(rule: str, persona: str) -> str:
    """Return the requirement of *persona* as a check string of oslo.policy. *rule* selects the attribute that names the owner."""
    return "@" if persona == ANYBODY else " or ".join(_role_checks(REQUIREMENTS[persona], _owner_attribute(rule)))


def _owner_attribute(rule: str) -> str:
    """Return the attribute of a rule's targets that names the owning project, such as ``node.owner``."""
    kind = rule.removeprefix("baremetal:").partition(":")[0]
    return f"{kind}.owner" if f"{kind}.owner" in OWNERS else OWNERS[0]


def _role_checks(requirement: RoleRequirement, owner: str) -> Iterator[str]:
    place_checks = {
        "system": " and system_scope:all",
        "owner": f" and project_id:%({owner})s",
        "lessee": f" and project_id:%({LESSEE})s",
        "project": "",
    }
    for place, roles in requirement.by_place.items():
        yield f"({' or '.join(f'role:{name}' for name in roles)}){place_checks[place]}"
    if requirement.system in ("reader", "member"):
        yield _ELEVATED


def _credentials(context: RequestContext) -> dict[str, Any]:
    return {
        "user_id": context.user,
        "project_id": context.project,
        "project_name": context.project_name,
        "project_domain_id": context.project_domain,
        "roles": sorted(context.roles),
        "system_scope": "all" if context.is_system else None,
        "is_public_api": False,
    }
