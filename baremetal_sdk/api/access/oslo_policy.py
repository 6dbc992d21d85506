"""A policy file in oslo.policy's format (extra ``keystone``), over what the routes declare. Imported when asked for."""

from __future__ import annotations

import logging
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


class FilePolicy(RuleBasedPolicy):
    """Asks oslo.policy for what the file at *path* says; for all else *rules*, the personas of the rules, hold.

    The file is read again when it changes; when it cannot be used then, that is logged, and what it said before stays.
    *service_project* is as in ``RolePolicy``. Raises ``ConfigurationError`` when the file cannot be used.
    """

    def __init__(self, rules: Mapping[str, str], path: str, service_project: str | None = None) -> None:
        super().__init__(rules)
        self._roles = RolePolicy(rules, service_project)
        self._always = {} if service_project is None else {_SERVICE_PROJECT: service_project}
        self._path = Path(path).absolute()
        self._seen = self._look()
        try:
            self._enforcer = self._read()
        except Exception as exc:
            raise ConfigurationError(f"{OPTION}: {path} cannot be used: {exc}") from exc
        self._changed = self._changes()

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Whether the caller may."""
        self._follow()
        if rule not in self._changed or self.rules.get(rule) == ANYBODY:
            return self._roles.allows(rule, context, target)
        # Without a project nothing is one's own: what has no owner would be.
        if not context.is_system and context.project is None:
            return False
        given = {name: value for name, value in target.items() if value is not None}
        return bool(self._enforcer.enforce(rule, {**self._always, **given}, _credentials(context)))

    def required_roles(self, rule: str) -> str:
        """The rule as it is written, or the roles that are enough."""
        return str(self._enforcer.rules[rule]) if rule in self._changed else self._roles.required_roles(rule)

    def _follow(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._enforcer = self._read()
        except Exception:
            LOG.exception("%s: %s cannot be used; what it said before stays", OPTION, self._path)
        self._changed = self._changes()

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> policy.Enforcer:
        if not self._path.is_file():
            raise FileNotFoundError("it is not a file; an empty one changes nothing")
        conf = cfg.ConfigOpts()
        conf(args=[], project="baremetal-sdk", default_config_files=[], default_config_dirs=[])
        enforcer = policy.Enforcer(conf, policy_file=str(self._path))
        enforcer.suppress_deprecation_warnings = True
        enforcer.register_defaults(defaults(self.rules))
        enforcer.load_rules()
        # It would look for files and directories of its own at each question.
        enforcer.use_conf = False
        return enforcer

    def _changes(self) -> Collection[str]:
        """The rules that are not what they would be without the file."""
        named = set(self._enforcer.file_rules)
        others = {name for name in named - set(self.rules) if not name.startswith(STEP)}
        strange = sorted(name for name in others if name in _NEVER_ASKED or name.startswith("baremetal:"))
        if strange:
            LOG.warning("%s: %s has rules that nothing here asks for: %s", OPTION, self._path, ", ".join(strange))
        return set(self.rules) if _ELEVATED.removeprefix("rule:") in named else named


def defaults(rules: Mapping[str, str]) -> list[policy.RuleDefault]:
    """The rules as oslo.policy knows them, in the order of their names."""
    named = [policy.RuleDefault(name, check, told) for name, (check, told) in _NAMED.items()]
    return [
        *(rule for rule in named if rule.name not in rules),
        *(
            policy.RuleDefault(rule, check(rule, persona), f"It is for {describe_persona(persona)}.")
            for rule, persona in sorted(rules.items())
        ),
    ]


def list_rules() -> list[policy.RuleDefault]:
    """All rules with their defaults and routes, for ``oslopolicy-sample-generator --namespace baremetal_sdk``."""
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
    return "@" if persona == ANYBODY else " or ".join(_checks(REQUIREMENTS[persona], _owner(rule)))


def _owner(rule: str) -> str:
    """What of a rule's targets names the project that owns them."""
    kind = rule.removeprefix("baremetal:").partition(":")[0]
    return f"{kind}.owner" if f"{kind}.owner" in OWNERS else OWNERS[0]


def _checks(grant: RoleRequirement, owner: str) -> Iterator[str]:
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
