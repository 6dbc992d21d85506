"""Roles: what admin, operator and reader may do, in the whole system or in one project."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.registry import ANYBODY, Registry
from baremetal_sdk.context import RequestContext
from baremetal_sdk.store.query import Scope

LOG = logging.getLogger(__name__)

RANKS: Mapping[str, int] = {"reader": 1, "member": 2, "operator": 3, "manager": 4, "service": 4, "admin": 5}
"""Role -> how high it is. ``member``, ``manager`` and ``service`` are Keystone's."""
NEEDED: Mapping[str, int] = {"reader": 1, "operator": 2, "manager": 4, "admin": 5}
"""Least role -> the rank that it takes: a member operates what belongs to its project, or to the system."""
LEASING = 3
"""The rank that it takes to operate most of what one's project only leases: its members read it, and turn it on and off."""
_SYSTEM, _OWNER, _LEASED = "system-", "owner-", "leased-"


class RolePolicy:
    """Allows what the caller's highest role reaches. *rules*: rule -> the least role, as the routes declare it.

    Who acts for the whole system sees everything. Who acts for a project sees the nodes that it owns or leases; what takes an
    manager or an admin is for a node's owner alone, never for its lessee, whose members do little but read; and what is
    shared by all projects is only for the whole system.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = rules

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """What the caller may see. Raises ``Forbidden``."""
        least = self._least(rule)
        if least == ANYBODY:
            return Scope.ALL
        self._check_role(rule, least, context)
        return Scope.ALL if context.is_system else Scope(context.project)

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless the caller may."""
        least = self._least(rule)
        if least == ANYBODY:
            return
        self._check_role(rule, least, context)
        if context.is_system:
            return
        if context.project not in {value for name, value in target.items() if name.endswith(".owner")}:
            self._check_lease(rule, least, context, target.get("node.lessee"))
        LOG.debug("%s is allowed to %s: its project may, for %s", rule, described(context), dict(target))

    def _check_lease(self, rule: str, least: str, context: RequestContext, lessee: str | None) -> None:
        if not may_lease(least):
            raise _refused(rule, context, "it is for the owner of this, and your project is not that")
        if context.project != lessee:
            raise _refused(rule, context, "it is for the owner or the lessee of this, and your project is not that")
        if rank(context) < leasing_rank(least):
            raise _refused(rule, context, "it needs the role operator or manager of who leases this")

    def _least(self, rule: str) -> str:
        """The least role of a rule; a rule about one field has that of the whole where nothing else was declared."""
        asked = declared_rule(self.rules, rule)
        return "system-admin" if asked is None else self.rules[asked]

    def _check_role(self, rule: str, least: str, context: RequestContext) -> None:
        role = bare_role(least)
        if not context.is_system and context.project is None:
            raise _refused(rule, context, f"it needs the role {role}, in a project or in the whole system, and you have none")
        if rank(context) < NEEDED[role]:
            raise _refused(rule, context, f"it needs the role {role}; you have {', '.join(sorted(context.roles)) or 'none'}")
        if least.startswith(_SYSTEM) and not context.is_system:
            raise _refused(rule, context, f"it needs the role {role} in the whole system; yours is in a project")
        LOG.debug("%s is allowed to %s: it needs %s", rule, described(context), least)


def rank(context: RequestContext) -> int:
    """How high the caller's highest role is."""
    return max((RANKS.get(one, 0) for one in context.roles), default=0)


def bare_role(least: str) -> str:
    """A least role without where it has to be held."""
    return least.removeprefix(_SYSTEM).removeprefix(_OWNER).removeprefix(_LEASED)


def may_lease(least: str) -> bool:
    """Whether what takes this least role is for lessees, too."""
    return least in ("reader", "operator") or least.startswith(_LEASED)


def leasing_rank(least: str) -> int:
    """The rank that this takes of a lessee."""
    return LEASING if least == "operator" else NEEDED[bare_role(least)]


def declared_rule(rules: Mapping[str, str], rule: str) -> str | None:
    """The rule that counts for *rule*: itself or, of one about a field that was not declared, that of the whole."""
    while rule and rule not in rules:
        rule = rule.rpartition(":")[0]
    return rule or None


def least_roles(registry: Registry) -> dict[str, str]:
    """Rule -> the least role of those for whom it is: the highest that one of its routes declares."""
    found: dict[str, str] = {}
    for route in registry.routes():
        if _height(route.least_role) > _height(found.get(route.policy, ANYBODY)):
            found[route.policy] = route.least_role
        found.setdefault(route.policy, route.least_role)
    return {**found, **registry.rules}


def _height(role: str) -> tuple[int, bool]:
    return NEEDED.get(bare_role(role), 0), role.startswith(_SYSTEM)


def _refused(rule: str, context: RequestContext, why: str) -> Forbidden:
    LOG.debug("%s is refused to %s: %s", rule, described(context), why)
    return Forbidden(f"{rule} is not allowed: {why}", rule=rule)


def described(context: RequestContext) -> str:
    """Who asks, for the log."""
    where = "the whole system" if context.is_system else f"project {context.project}"
    return f"user {context.user!r} with {sorted(context.roles)} in {where}"
