"""Personas: for whom a rule is, by the caller's role, and by what the caller is to what is asked for.

Roles are Keystone's, each of which has what those before it have (reader, member, manager, admin), its ``service`` for programs,
and ``operator`` of those who know no Keystone. Who may what is what Ironic's own policy gives these personas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from baremetal_sdk.context import RequestContext

ANYBODY = "anybody"
"""In place of a persona, of what everybody may do."""
LADDER: Mapping[str, int] = {"reader": 1, "member": 2, "manager": 3, "admin": 4}
"""Role -> how high it is."""
OPERATOR, SERVICE = "operator", "service"
OWNERS = ("node.owner", "allocation.owner", "runbook.owner")
"""What of a target names the project that owns it."""
LESSEE = "node.lessee"

Persona = Literal[
    "anybody", "reader", "owner-reader", "lister", "member", "leased-member", "owner-member", "owner-manager",
    "leased-manager", "keeper", "refitter", "wirer", "owner-admin", "project-admin", "system-reader", "system-member",
    "system-keeper", "system-admin", "system-enroller", "secret-reader", "allocator", "allocation-member",
    "allocation-reader", "author", "runbook-manager", "runbook-user",
]  # fmt: skip


@dataclass(frozen=True)
class RoleRequirement:
    """For whom a rule is: the least role, for each thing that callers can be to what is asked for. None: for nobody there."""

    system: str | None = None
    """Who acts for the whole system."""
    owner: str | None = None
    """Who acts for the project that owns it."""
    lessee: str | None = None
    """Who acts for the project that leases its node."""
    project: str | None = None
    """Who acts for any project, whatever is asked for."""
    service: frozenset[str] = frozenset()
    """Which of these ``service`` is enough for."""
    operator: frozenset[str] = frozenset()
    """Which of these ``operator`` is enough for."""

    @cached_property
    def by_place(self) -> Mapping[str, tuple[str, ...]]:
        """What callers can be to what is asked for -> the roles that are enough, the least first; without what is for nobody."""
        return {place: roles for place in PLACES if (roles := tuple(self._roles(place)))}

    def _roles(self, place: str) -> Iterator[str]:
        least = getattr(self, place)
        if least is not None:
            yield from (role for role, height in LADDER.items() if height >= LADDER[least])
        if place in self.operator:
            yield OPERATOR
        if place in self.service:
            yield SERVICE

    def reaches(self, context: RequestContext, target: Mapping[str, Any], *, elevated: bool = False) -> bool:
        """Whether it is for the caller. *elevated*: a service that may what readers and members of the whole system may."""
        if elevated and self.system in _ELEVATED:
            return True
        by_place = self.by_place
        return any(role in by_place.get(place, ()) for place in places(context, target) for role in context.roles)


PLACES = ("system", "owner", "lessee", "project")
_ELEVATED = ("reader", "member")


def places(context: RequestContext, target: Mapping[str, Any]) -> Iterator[str]:
    """What the caller is to *target*."""
    if context.is_system:
        yield "system"
    if context.project is not None:
        yield "project"
        if any(target.get(name) == context.project for name in OWNERS):
            yield "owner"
        if target.get(LESSEE) == context.project:
            yield "lessee"


def own_target(context: RequestContext) -> dict[str, Any]:
    """A target that is all the caller's own."""
    return {} if context.project is None else dict.fromkeys((*OWNERS, LESSEE), context.project)


def _grant(service: str = "", operator: str = "", **least: str) -> RoleRequirement:
    return RoleRequirement(service=frozenset(service.split()), operator=frozenset(operator.split()), **least)


_ALL, _OWN = "system owner lessee", "system owner"
REQUIREMENTS: Mapping[str, RoleRequirement] = {
    # Nodes, and what belongs to them.
    "reader": _grant(system="reader", owner="reader", lessee="reader", service=_OWN, operator=_ALL),
    "owner-reader": _grant(system="reader", owner="reader", service=_OWN, operator=_OWN),
    "member": _grant(system="member", owner="member", lessee="manager", service=_OWN, operator=_ALL),
    "leased-member": _grant(system="member", owner="member", lessee="member", service="system", operator=_ALL),
    "owner-member": _grant(system="member", owner="member", service=_OWN, operator=_OWN),
    "owner-manager": _grant(system="member", owner="manager", service=_OWN, operator=_OWN),
    "leased-manager": _grant(system="member", owner="manager", lessee="manager", service=_OWN, operator=_ALL),
    "owner-admin": _grant(owner="admin"),
    # Whose a node is, and how it is reached; what it is built of and wired with. Operators run machines as they are.
    "keeper": _grant(system="member", owner="member", service=_OWN),
    "refitter": _grant(system="member", owner="manager", service=_OWN),
    "system-keeper": _grant(system="member"),
    "wirer": _grant(system="admin", owner="manager", service=_OWN),
    # What all projects share.
    "system-reader": _grant(system="reader", service="system", operator="system"),
    "system-member": _grant(system="member", operator="system"),
    "system-admin": _grant(system="admin"),
    "system-enroller": _grant(system="admin", service="system"),
    # What needs no target: the listing of one's own, and what is made.
    "lister": _grant(system="reader", project="reader", service="system project", operator="system project"),
    "project-admin": _grant(system="admin", project="admin", service="system project"),
    "secret-reader": _grant(system="reader", project="admin", service="system", operator="system"),
    # Allocations and runbooks have owners of their own.
    "allocation-reader": _grant(system="reader", owner="reader", service="system", operator=_OWN),
    "allocation-member": _grant(system="member", owner="member", operator=_OWN),
    "allocator": _grant(system="member", project="member", operator="system project"),
    "author": _grant(system="member", project="manager", service="system project"),
    "runbook-manager": _grant(system="member", owner="manager", service=_OWN),
    "runbook-user": _grant(system="member", owner="manager", service=_OWN, operator=_OWN),
}
"""Persona -> for whom that is."""
