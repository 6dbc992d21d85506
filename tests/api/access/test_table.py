"""All routes with all roles, in the whole system and in projects."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.auth import Identity
from tests.fixtures.api_access import ROLES, RBACTestCase, project_identity, system_identity

RULES_BY_PERSONA: dict[str, str] = {
    "anybody": "public_api|node:ipa_heartbeat|driver:ipa_(lookup|continue_inspection)",
    "system-reader": "(chassis|deploy_template|inspection_rule|conductor|shards):get|driver:get(_properties|_raid.*)?",
    "system-member": "chassis:update",
    "system-admin": "chassis:(create|delete)|(deploy_template|inspection_rule):(create|update|delete)|events:post"
    "|\\w+:vendor_passthru|node:delete",
    "system-enroller": "node:create",
    "lister": "(node|port|portgroup|volume|allocation|runbook):list",
    "owner-reader": "node:(history|inventory):get|node:explain|runbook:get",
    "allocation-reader": "allocation:get",
    "reader": "node:(get|get_states|get_indicator_state|(bios|firmware|vmedia):get|(vif|traits):list)|(port(group)?|volume):get",
    "leased-member": "node:(update|set_power_state|set_boot_mode|set_secure_boot|vmedia:(attach|detach))",
    "member": "node:(validate|(set|clear)_maintenance|set_provision_state|vif:(attach|detach))|volume:update",
    "owner-member": "node:(set_raid_state|get_console|set_console_state|set_indicator_state)",
    "owner-manager": "node:([gs]et_boot_device|inject_nmi|traits:(set|delete))|(port|portgroup):update",
    "wirer": "(port|portgroup):(create|delete)",
    "leased-manager": "volume:(create|delete)",
    "allocator": "allocation:create",
    "allocation-member": "allocation:(update|delete)",
    "author": "runbook:create",
    "runbook-manager": "runbook:(update|delete)",
}
"""The rules of each persona, as regular expressions. They repeat the declarations, so that a change needs two edits."""
READ, CHANGE, MANAGE, OWN = (f"{roles} admin" for roles in ("reader member manager", "member manager", "manager", ""))
ROLES_BY_PLACE: dict[str, dict[str, str]] = {
    "system-reader": {"system": f"{READ} operator service"},
    "system-member": {"system": f"{CHANGE} operator"},
    "system-admin": {"system": OWN},
    "system-enroller": {"system": f"{OWN} service"},
    "lister": {"system": f"{READ} operator service", "project": f"{READ} operator service"},
    "reader": {"system": f"{READ} operator service", "owner": f"{READ} operator service", "lessee": f"{READ} operator"},
    "owner-reader": {"system": f"{READ} operator service", "owner": f"{READ} operator service"},
    "allocation-reader": {"system": f"{READ} operator service", "owner": f"{READ} operator"},
    "leased-member": {"system": f"{CHANGE} operator service", "owner": f"{CHANGE} operator", "lessee": f"{CHANGE} operator"},
    "member": {"system": f"{CHANGE} operator service", "owner": f"{CHANGE} operator service", "lessee": f"{MANAGE} operator"},
    "owner-member": {"system": f"{CHANGE} operator service", "owner": f"{CHANGE} operator service"},
    "owner-manager": {"system": f"{CHANGE} operator service", "owner": f"{MANAGE} operator service"},
    "wirer": {"system": f"{OWN} service", "owner": f"{MANAGE} service"},
    "leased-manager": {
        "system": f"{CHANGE} operator service",
        "owner": f"{MANAGE} operator service",
        "lessee": f"{MANAGE} operator",
    },
    "allocator": {"system": f"{CHANGE} operator", "project": f"{CHANGE} operator"},
    "allocation-member": {"system": f"{CHANGE} operator", "owner": f"{CHANGE} operator"},
    "author": {"system": f"{CHANGE} service", "project": f"{MANAGE} service"},
    "runbook-manager": {"system": f"{CHANGE} service", "owner": f"{MANAGE} service"},
}
"""The sufficient roles of each persona by place. They repeat the definition in the same way."""
ALTERNATIVE_ROLES: dict[str, dict[str, str]] = {
    "baremetal:node:create": {"project": f"{OWN} service"},
    "baremetal:node:delete": {"owner": OWN},
    "baremetal:node:update": {"owner": "service"},
    "baremetal:allocation:create": {},
}
"""The further sufficient roles of routes with an alternative rule."""
VALUES = {"node": "m1", "driver": "fake-hardware", "conductor": "host-1", "trait": "CUSTOM_X", "indicator": "led@system"}
IDENTITIES: tuple[Identity, ...] = (
    system_identity(),
    *(system_identity(role) for role in ROLES),
    *(project_identity(project, role) for role in ROLES for project in ("owner", "lessee", "stranger")),
    Identity("unscoped", roles=frozenset({"admin"})),
)


def persona(route: dict[str, Any]) -> str:
    """Return the persona of a route from the table above."""
    [name] = [name for name, rules in RULES_BY_PERSONA.items() if re.fullmatch(rules, route["policy"].removeprefix("baremetal:"))]
    return name


def has_role(identity: Identity, route: dict[str, Any], places: Iterable[str]) -> bool:
    """Return whether an identity with these relations to the target has a sufficient role."""
    by_place, alternative = ROLES_BY_PLACE[persona(route)], ALTERNATIVE_ROLES.get(route["policy"], {})
    sufficient = {role for place in places for role in f"{by_place.get(place, '')} {alternative.get(place, '')}".split()}
    return bool(identity.roles & sufficient)


def places(identity: Identity, target: str | None) -> tuple[str, ...]:
    """Return the relations of an identity to the node ``m1`` or, for None, to a target that its project owns and leases."""
    if identity.is_system or identity.project is None:
        return ("system",) if identity.is_system else ()
    return ("project", "owner", "lessee") if target is None else ("project", identity.project)


def sees_node(identity: Identity) -> bool:
    """Return whether the identity may see the node. A lessee's services may not."""
    if identity.is_system:
        return True
    return identity.project == "owner" or (identity.project == "lessee" and identity.roles != {"service"})


class TestTable(RBACTestCase):
    identities = IDENTITIES
    readers: tuple[Identity, ...] = (system_identity("reader"), project_identity("owner", "reader"))

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger(level=logging.CRITICAL))

    def send(self, identity: Identity, route: dict[str, Any]) -> Any:
        """Send a request with an empty body to a route."""
        path = re.sub(r"\{(\w+)\}", lambda match: VALUES.get(match[1], str(uuid4())), route["path"])
        return self.request_as(identity, route["method"], path, None if route["method"] == "GET" else {})

    def test_declared_personas_are_those_of_the_table(self) -> None:
        """Each route declares the persona that the table above has for its rule."""
        for route in routes():
            self.assertEqual(persona(route), route["role"], (route["method"], route["path"]))

    def test_every_route_with_every_identity(self) -> None:
        """An identity without the role gets 403 with rule and role. Nodes of other projects are not found."""
        for route in routes():
            for identity in self.identities:
                self.enroll()
                self.check(identity, route, self.send(identity, route))

    def check(self, identity: Identity, route: dict[str, Any], response: Any) -> None:
        """Assert that the answer is what the table has for the identity and the route."""
        context = (identity.user, route["method"], route["path"], response.status, response.raw)
        of_node = "{node}" in route["path"]
        if persona(route) == "anybody" or (not of_node and has_role(identity, route, places(identity, None))):
            self.assertNotIn(response.status, (401, 403), context)
        elif of_node and identity.project is not None and not sees_node(identity):
            self.assertIn(response.status, (400, 404), context)
        elif not has_role(identity, route, places(identity, None)):
            self.assert_refused(response, 403, route["policy"], "role")
        elif has_role(identity, route, places(identity, "m1")):
            self.assertNotIn(response.status, (401, 403), context)
        else:
            self.assertIn(response.status, (400, 403, 404) if "allocation" in route["path"] else (400, 403), context)

    def test_reader_changes_nothing(self) -> None:
        """No request of a reader calls a conductor's method that changes something."""
        before = self.conductor.store.node("m1")
        for route in routes():
            if route["visibility"] != "public":
                for identity in self.readers:
                    self.conductor.called_methods.clear()
                    response = self.send(identity, route)
                    if route["method"] != "GET":
                        self.assertIn(response.status, (403, 404) if identity.project == "stranger" else (403,), route)
                        self.assertEqual([], self.conductor.called_methods, route)
                    self.assertFalse(
                        [name for name in self.conductor.called_methods if name.split("_")[0] in _CHANGE_VERBS],
                        self.conductor.called_methods,
                    )
        self.assertEqual(before, self.conductor.store.node("m1"))


_CHANGE_VERBS = {"create", "update", "delete", "set", "change", "inject", "attach", "detach", "replace", "purge", "vendor"}
