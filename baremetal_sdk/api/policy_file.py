"""A policy file in oslo.policy's format (extra ``keystone``), over what the routes declare. Imported when asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.registry import ANYBODY
from baremetal_sdk.api.roles import NEEDED, RANKS, bare_role, declared_rule, described, leasing_rank, may_lease
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.query import Scope

LOG = logging.getLogger(__name__)
OPTION = "[oslo_policy] policy_file"
_OWNED = ("node.owner", "allocation.owner", "runbook.owner")
_LEASED = "node.lessee"


class FilePolicy:
    """Asks oslo.policy. *rules* are the least roles of the rules, which hold where the file at *path* says nothing.

    The file is read again when it changes. Raises ``ConfigurationError`` when it cannot be used.
    """

    def __init__(self, rules: Mapping[str, str], path: str) -> None:
        self._rules = rules
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

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """What the caller may see; asked is whether it may do this to something of its own. Raises ``Forbidden``."""
        own = {} if context.is_system else dict.fromkeys((*_OWNED, _LEASED), context.project)
        self.enforce(rule, context, own)
        if context.is_system or self._rules.get(rule) == ANYBODY:
            return Scope.ALL
        return Scope(context.project)

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless the caller may."""
        asked = declared_rule(self._rules, rule)
        if asked is None:
            raise _refused(rule, context, "there is no such rule")
        if self._rules[asked] == ANYBODY:
            return
        needed = f"it needs {self._enforcer.rules[asked]}"
        # Without a project nothing is one's own: what has no owner would be.
        has_place = context.is_system or context.project is not None
        if not has_place or not self._enforcer.enforce(asked, _given(target), _credentials(context)):
            raise _refused(rule, context, needed)
        LOG.debug("%s is allowed to %s: %s", rule, described(context), needed)


def _refused(rule: str, context: RequestContext, why: str) -> Forbidden:
    LOG.debug("%s is refused to %s: %s", rule, described(context), why)
    return Forbidden(f"{rule} is not allowed: {why}", rule=rule)


def defaults(rules: Mapping[str, str]) -> list[policy.RuleDefault]:
    """The rules as oslo.policy knows them, in the order of their names."""
    return [policy.RuleDefault(rule, _check(least), f"Least role: {least}.") for rule, least in sorted(rules.items())]


def list_rules() -> list[policy.RuleDefault]:
    """All rules with their defaults, for ``oslopolicy-sample-generator --namespace baremetal_sdk``."""
    from baremetal_sdk.api.app import role_policy

    return defaults(role_policy().rules)


def _check(least: str) -> str:
    if least == ANYBODY:
        return "@"
    roles = _roles(NEEDED[bare_role(least)])
    if least.startswith("system-"):
        return f"({roles}) and system_scope:all"
    owned = " or ".join(f"project_id:%({name})s" for name in _OWNED)
    check = f"({roles}) and (system_scope:all or {owned})"
    return f"({check}) or (({_roles(leasing_rank(least))}) and project_id:%({_LEASED})s)" if may_lease(least) else check


def _roles(rank: int) -> str:
    return " or ".join(f"role:{name}" for name, height in sorted(RANKS.items()) if height >= rank)


def _given(target: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in target.items() if value is not None}


def _credentials(context: RequestContext) -> dict[str, Any]:
    return {
        "user_id": context.user,
        "project_id": context.project,
        "roles": sorted(context.roles),
        "system_scope": "all" if context.is_system else None,
    }
