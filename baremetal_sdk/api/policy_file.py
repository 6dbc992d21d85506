"""A policy file in oslo.policy's format (extra ``keystone``), over what the routes declare. Imported when asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from baremetal_sdk.api.personas import ANYBODY, GRANTS, LESSEE, OWNERS, SERVICE, Grant
from baremetal_sdk.api.policy import Deciding
from baremetal_sdk.api.roles import for_whom
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import ConfigurationError

LOG = logging.getLogger(__name__)
OPTION = "[oslo_policy] policy_file"
_SERVICE_PROJECT = "config.service_project_name"
_ELEVATED = "rule:service_role"
_NAMED: Mapping[str, tuple[str, str]] = {
    "service_role": (f"role:{SERVICE} and project_name:%({_SERVICE_PROJECT})s", "A service of the project of services."),
    "public_api": ("is_public_api:True", "What needs no credentials."),
    "admin_api": ("role:admin or role:administrator", "An admin, of whatever."),
    "is_member": (
        "(project_domain_id:default or project_domain_id:None) and (project_name:demo or project_name:baremetal)",
        "Somebody of certain projects.",
    ),
    "is_observer": ("rule:is_member and (role:observer or role:baremetal_observer)", "Who sees, in certain projects."),
    "is_admin": ("rule:admin_api or (rule:is_member and role:baremetal_admin)", "An admin, of whatever, or in certain projects."),
    "is_node_owner": ("project_id:%(node.owner)s", "Somebody of the project that owns the node."),
    "is_node_lessee": ("project_id:%(node.lessee)s", "Somebody of the project that leases the node."),
    "is_allocation_owner": ("project_id:%(allocation.owner)s", "Somebody of the project of the allocation."),
}
"""What files for Ironic call by name in rules of theirs; no route asks for it."""
_NEVER_ASKED = ("show_password", "show_instance_secrets")
"""What files for Ironic may hold and is not obeyed: secrets are shown to nobody."""


class FilePolicy(Deciding):
    """Asks oslo.policy. *rules* are the personas of the rules, which hold where the file at *path* says nothing.

    The file is read again when it changes. *service_project* is as in ``RolePolicy``. Raises ``ConfigurationError`` when the file
    cannot be used.
    """

    def __init__(self, rules: Mapping[str, str], path: str, service_project: str | None = None) -> None:
        super().__init__(rules)
        self._always = {} if service_project is None else {_SERVICE_PROJECT: service_project}
        if not Path(path).is_file():
            raise ConfigurationError(f"{OPTION}: {path} is not a file; an empty one changes nothing")
        conf = cfg.ConfigOpts()
        conf(args=[], project="baremetal-sdk", default_config_files=[], default_config_dirs=[])
        self._enforcer = policy.Enforcer(conf, policy_file=str(Path(path).absolute()))
        self._enforcer.suppress_deprecation_warnings = True
        self._enforcer.register_defaults(defaults(rules))
        try:
            self._enforcer.load_rules()
        except Exception as exc:
            raise ConfigurationError(f"{OPTION}: {path} cannot be used: {exc}") from exc
        unknown = sorted(set(self._enforcer.file_rules) - set(rules) - set(_NAMED))
        if asked_by_nothing := [name for name in unknown if name in _NEVER_ASKED or name.startswith("baremetal:")]:
            LOG.warning("%s: %s has rules that nothing here asks for: %s", OPTION, path, ", ".join(asked_by_nothing))

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Whether the caller may."""
        if self.rules.get(rule) in (None, ANYBODY):
            return rule in self.rules
        # Without a project nothing is one's own: what has no owner would be.
        if not context.is_system and context.project is None:
            return False
        given = {name: value for name, value in target.items() if value is not None}
        return bool(self._enforcer.enforce(rule, {**self._always, **given}, _credentials(context)))

    def needed(self, rule: str) -> str:
        """The rule as it is written."""
        return str(self._enforcer.rules[rule]) if rule in self.rules else "nobody: there is no such rule"


def defaults(rules: Mapping[str, str]) -> list[policy.RuleDefault]:
    """The rules as oslo.policy knows them, in the order of their names."""
    named = [policy.RuleDefault(name, check, told) for name, (check, told) in _NAMED.items()]
    return [
        *(rule for rule in named if rule.name not in rules),
        *(
            policy.RuleDefault(rule, check(rule, persona), f"It is for {for_whom(persona)}.")
            for rule, persona in sorted(rules.items())
        ),
    ]


def list_rules() -> list[policy.RuleDefault]:
    """All rules with their defaults and routes, for ``oslopolicy-sample-generator --namespace baremetal_sdk``."""
    from baremetal_sdk.api.app import role_policy, routes

    asking: dict[str, list[dict[str, Any]]] = {}
    for route in routes():
        asking.setdefault(route["policy"], []).append(route)
    return [_documented(rule, asking.get(rule.name, ())) for rule in defaults(role_policy().rules)]


def _documented(rule: policy.RuleDefault, asking: Sequence[Mapping[str, Any]]) -> policy.RuleDefault:
    if not asking:
        return rule
    description = f"{asking[0]['summary']} {rule.description}"
    operations: Any = [{"method": route["method"], "path": route["path"]} for route in asking]
    return policy.DocumentedRuleDefault(rule.name, rule.check_str, description, operations)


def check(rule: str, persona: str) -> str:
    """For whom a rule is, as oslo.policy writes it."""
    return "@" if persona == ANYBODY else " or ".join(_checks(GRANTS[persona], _owner(rule)))


def _owner(rule: str) -> str:
    """What of a rule's targets names the project that owns them."""
    kind = rule.removeprefix("baremetal:").partition(":")[0]
    return f"{kind}.owner" if f"{kind}.owner" in OWNERS else OWNERS[0]


def _checks(grant: Grant, owner: str) -> Iterator[str]:
    held = {
        "system": " and system_scope:all",
        "owner": f" and project_id:%({owner})s",
        "lessee": f" and project_id:%({LESSEE})s",
        "project": "",
    }
    for place, roles in grant.by_place.items():
        yield f"({' or '.join(f'role:{name}' for name in roles)}){held[place]}"
    if grant.system in ("reader", "member"):
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
