"""Personas: named requirements that a policy rule makes on the role of a client and on its relation to the target of a request.

The roles are those of Keystone: reader, member, manager and admin, where each includes the rights of the ones before it, and
``service`` for programs. ``operator`` is a role of services without Keystone. The personas give the same rights as
Ironic's default policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from baremetal_sdk.context import RequestContext

ANYBODY = "anybody"
"""The persona of rules that allow every request, even without credentials."""
ROLE_RANKS: Mapping[str, int] = {"reader": 1, "member": 2, "manager": 3, "admin": 4}
"""The rank of each role. A role includes the rights of the roles with lower ranks."""
OPERATOR, SERVICE = "operator", "service"
OWNERS = ("node.owner", "allocation.owner", "runbook.owner")
"""The attributes of targets that name the owning project."""
LESSEE = "node.lessee"

Persona = Literal[
    "anybody", "reader", "owner-reader", "lister", "member", "leased-member", "owner-member", "owner-manager",
    "leased-manager", "keeper", "refitter", "wirer", "owner-admin", "project-admin", "system-reader", "system-member",
    "system-keeper", "system-admin", "system-enroller", "secret-reader", "allocator", "allocation-member",
    "allocation-reader", "author", "runbook-manager", "runbook-user",
]  # fmt: skip


@dataclass(frozen=True)
class RoleRequirement:
    """The roles that a persona requires, by place: the relation of the client to the target. None: no
    ranked role suffices there."""

    system: str | None = None
    """The lowest role for clients with a token for the whole system."""
    owner: str | None = None
    """The lowest role for clients in the project that owns the target."""
    lessee: str | None = None
    """The lowest role for clients in the project that leases the target's node."""
    project: str | None = None
    """The lowest role for clients in any project, for requests without a target."""
    service: frozenset[str] = frozenset()
    """The places in which ``service`` is sufficient."""
    operator: frozenset[str] = frozenset()
    """The places in which ``operator`` is sufficient."""

    @cached_property
    def by_place(self) -> Mapping[str, tuple[str, ...]]:
        """The sufficient roles by place, the lowest first. Places without a sufficient role are left out."""
        return {place: roles for place in PLACES if (roles := tuple(self._roles(place)))}

    def _roles(self, place: str) -> Iterator[str]:
        lowest = getattr(self, place)
        if lowest is not None:
            yield from (role for role, rank in ROLE_RANKS.items() if rank >= ROLE_RANKS[lowest])
        if place in self.operator:
            yield OPERATOR
        if place in self.service:
            yield SERVICE

    def is_met_by(self, context: RequestContext, target: Mapping[str, Any], *, elevated: bool = False) -> bool:
        """Return whether the client has a sufficient role for *target*.

        *elevated* is true for the service role in the service project, which gets the rights of system readers and members.
        """
        if elevated and self.system in _ELEVATED_ROLES:
            return True
        by_place = self.by_place
        return any(role in by_place.get(place, ()) for place in places(context, target) for role in context.roles)


PLACES = ("system", "owner", "lessee", "project")
"""The relations of a client to a target, see the fields of :class:`RoleRequirement` with the same names."""
_ELEVATED_ROLES = ("reader", "member")


def places(context: RequestContext, target: Mapping[str, Any]) -> Iterator[str]:
    """Yield the relations of the client to *target*, as in :data:`PLACES`."""
    if context.is_system:
        yield "system"
    if context.project is not None:
        yield "project"
        if any(target.get(name) == context.project for name in OWNERS):
            yield "owner"
        if target.get(LESSEE) == context.project:
            yield "lessee"


def own_target(context: RequestContext) -> dict[str, Any]:
    """Return an imaginary target that the client's project owns and leases, to test whether a rule allows it anything."""
    return {} if context.project is None else dict.fromkeys((*OWNERS, LESSEE), context.project)


def _require(service: str = "", operator: str = "", **lowest: str) -> RoleRequirement:
    return RoleRequirement(service=frozenset(service.split()), operator=frozenset(operator.split()), **lowest)


_ALL_PLACES, _NOT_LESSEE = "system owner lessee", "system owner"
REQUIREMENTS: Mapping[str, RoleRequirement] = {
    # Nodes and the records that belong to them.
    "reader": _require(system="reader", owner="reader", lessee="reader", service=_NOT_LESSEE, operator=_ALL_PLACES),
    "owner-reader": _require(system="reader", owner="reader", service=_NOT_LESSEE, operator=_NOT_LESSEE),
    "member": _require(system="member", owner="member", lessee="manager", service=_NOT_LESSEE, operator=_ALL_PLACES),
    "leased-member": _require(system="member", owner="member", lessee="member", service="system", operator=_ALL_PLACES),
    "owner-member": _require(system="member", owner="member", service=_NOT_LESSEE, operator=_NOT_LESSEE),
    "owner-manager": _require(system="member", owner="manager", service=_NOT_LESSEE, operator=_NOT_LESSEE),
    "leased-manager": _require(system="member", owner="manager", lessee="manager", service=_NOT_LESSEE, operator=_ALL_PLACES),
    "owner-admin": _require(owner="admin"),
    # The owner of a node, the access to its BMC, its hardware and its wiring. Operators do not change these.
    "keeper": _require(system="member", owner="member", service=_NOT_LESSEE),
    "refitter": _require(system="member", owner="manager", service=_NOT_LESSEE),
    "system-keeper": _require(system="member"),
    "wirer": _require(system="admin", owner="manager", service=_NOT_LESSEE),
    # Records that all projects share.
    "system-reader": _require(system="reader", service="system", operator="system"),
    "system-member": _require(system="member", operator="system"),
    "system-admin": _require(system="admin"),
    "system-enroller": _require(system="admin", service="system"),
    # Requests without a target: listings of the project's records, and creations.
    "lister": _require(system="reader", project="reader", service="system project", operator="system project"),
    "project-admin": _require(system="admin", project="admin", service="system project"),
    "secret-reader": _require(system="reader", project="admin", service="system", operator="system"),
    # Allocations and runbooks, which have owners.
    "allocation-reader": _require(system="reader", owner="reader", service="system", operator=_NOT_LESSEE),
    "allocation-member": _require(system="member", owner="member", operator=_NOT_LESSEE),
    "allocator": _require(system="member", project="member", operator="system project"),
    "author": _require(system="member", project="manager", service="system project"),
    "runbook-manager": _require(system="member", owner="manager", service=_NOT_LESSEE),
    "runbook-user": _require(system="member", owner="manager", service=_NOT_LESSEE, operator=_NOT_LESSEE),
}
"""The roles that each persona requires."""
