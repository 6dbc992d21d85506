"""Default policy: the persona that a route declares names the roles that clients need in the system or in a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from baremetal_sdk.api.access.personas import ANYBODY, REQUIREMENTS, ROLE_RANKS, SERVICE
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
    """Policy that decides by the roles of a client. *rules* maps each rule to its persona, as the routes declare it.

    The ``service`` role in the project named *service_project* gets the rights of system readers and members. With None,
    no project gets them.
    """

    def __init__(self, rules: Mapping[str, str], service_project: str | None = None) -> None:
        super().__init__(rules)
        self.service_project = service_project

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Return whether the client has a role that the rule requires for *target*."""
        persona = self.rules.get(rule)
        # Steps have rules only in policy files. Without a rule, all clients that may send steps may send the step.
        if persona is None or persona == ANYBODY:
            return persona is not None or rule.startswith(STEP)
        return REQUIREMENTS[persona].is_met_by(context, target, elevated=self._is_elevated(context))

    def required_roles(self, rule: str) -> str:
        """Return the roles that suffice for *rule*, in words for messages, with the place in which the client needs each."""
        if rule.startswith(STEP):
            return describe_persona(ANYBODY)
        return describe_persona(self.rules[rule]) if rule in self.rules else "no client, because the rule does not exist"

    def _is_elevated(self, context: RequestContext) -> bool:
        if self.service_project is None or context.project_name != self.service_project:
            return False
        return SERVICE in context.roles


def describe_persona(persona: str) -> str:
    """Return *persona* in words: the roles that suffice, with the place in which the client needs each."""
    if persona == ANYBODY:
        return "all clients"
    by_place = REQUIREMENTS[persona].by_place
    return "; ".join(f"the role {' or '.join(_lowest(names))} {_PLACES[place]}" for place, names in by_place.items())


def _lowest(roles: Iterable[str]) -> Iterator[str]:
    """Yield the lowest of the ranked roles, which stands for the higher ones, and the roles without a rank."""
    ranked = [role for role in roles if role in ROLE_RANKS]
    yield from (f"{role} (or higher)" if role != "admin" else role for role in ranked[:1])
    yield from (role for role in roles if role not in ROLE_RANKS)


def collect_personas(table: RouteTable) -> dict[str, str]:
    """Return the persona of each rule. Raises ``ValueError`` if two routes declare different personas for one rule."""
    personas: dict[str, str] = {}
    for route in table.routes():
        if personas.setdefault(route.policy, route.persona) != route.persona:
            raise ValueError(
                f"rule {route.policy} has two personas, {personas[route.policy]} and {route.persona} ({route.path}); use one"
            )
    # A listing shows all projects' records to clients that the rule with the suffix _all allows. No route names that rule.
    list_all = {f"{rule}_all": "system-reader" for rule in personas if visibility_rule(rule) == f"{rule}_all"}
    return {**personas, **list_all, **table.rules}
