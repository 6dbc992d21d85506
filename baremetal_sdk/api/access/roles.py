"""What roles may do, in the whole system or in one project, as it is declared beside the routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from baremetal_sdk.api.access.personas import ANYBODY, LADDER, REQUIREMENTS, SERVICE
from baremetal_sdk.api.access.policy import STEP, RuleBasedPolicy, visibility_rule
from baremetal_sdk.api.framework.routes import RouteTable
from baremetal_sdk.context import RequestContext

_PLACES = {
    "system": "in the whole system",
    "owner": "in the project that owns it",
    "lessee": "in the project that leases its node",
    "project": "in a project",
}


class RolePolicy(RuleBasedPolicy):
    """Allows what is for the caller. *rules*: rule -> persona, as the routes declare it.

    *service_project* is the name of the project whose services may what members of the whole system may; None: of none.
    """

    def __init__(self, rules: Mapping[str, str], service_project: str | None = None) -> None:
        super().__init__(rules)
        self.service_project = service_project

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Whether it is for the caller."""
        persona = self.rules.get(rule)
        if persona is None or persona == ANYBODY:
            return persona is not None or rule.startswith(STEP)
        return REQUIREMENTS[persona].reaches(context, target, elevated=self._is_elevated(context))

    def required_roles(self, rule: str) -> str:
        """The roles that are enough, by where they are held."""
        if rule.startswith(STEP):
            return describe_persona(ANYBODY)
        return describe_persona(self.rules[rule]) if rule in self.rules else "nobody: there is no such rule"

    def _is_elevated(self, context: RequestContext) -> bool:
        serving = self.service_project is not None and context.project_name == self.service_project
        return serving and SERVICE in context.roles


def describe_persona(persona: str) -> str:
    """A persona in words: the roles that are enough, by where they are held."""
    if persona == ANYBODY:
        return "everybody"
    by_place = REQUIREMENTS[persona].by_place
    return "; ".join(f"the role {' or '.join(_least(names))} {_PLACES[place]}" for place, names in by_place.items())


def _least(roles: Iterable[str]) -> Iterator[str]:
    """The least of the roles that have what the ones before them have, and those that stand beside them."""
    high = [role for role in roles if role in LADDER]
    yield from (f"{role} (or higher)" if role != "admin" else role for role in high[:1])
    yield from (role for role in roles if role not in LADDER)


def personas(registry: RouteTable) -> dict[str, str]:
    """Rule -> the persona that it is for. Routes that share a rule say the same of it."""
    found: dict[str, str] = {}
    for route in registry.routes():
        if found.setdefault(route.policy, route.persona) != route.persona:
            raise ValueError(f"{route.policy} is for {found[route.policy]} on one path and for {route.persona} on {route.path}")
    whole = {whole: "system-reader" for rule in found if (whole := visibility_rule(rule)) == f"{rule}_all"}
    return {**found, **whole, **registry.rules}
