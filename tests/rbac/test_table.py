"""Every route against every role, in the whole system and in projects."""

from __future__ import annotations

import logging
import re
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.auth import Identity
from tests.rbac.world import ROLES, RBACTestCase, member, system

RULE = re.compile(
    r"(?P<anybody>public_api|node:ipa_heartbeat|driver:ipa_(lookup|continue_inspection))"
    r"|(?P<system_admin>(chassis|deploy_template|inspection_rule):(create|update|delete|delete_all)|events:post|\w+:vendor_passthru)"
    r"|(?P<system_reader>(chassis|deploy_template|inspection_rule|conductor|shards):get)"
    r"|(?P<admin>node:(create|delete))"
    r"|(?P<manager>(port|portgroup|runbook):(create|update|delete))"
    r"|(?P<owner_operator>node:((get_console|set_console_state)|[gs]et_boot_device|inject_nmi|set_raid_state|traits:(set|delete)))"
    r"|(?P<leased_operator>node:(update|set_power_state|set_boot_mode|set_secure_boot))"
    r"|(?P<operator>node:validate)"
)
"""Who may do what, said a second time: a change of a declaration is a decision, and is made here as well."""
VALUES = {"node": "m1", "driver": "fake-hardware", "conductor": "host-1", "trait": "CUSTOM_X", "indicator": "led@system"}
HEIGHTS = {"reader": 0, "member": 1, "operator": 2, "manager": 3, "service": 3, "admin": 4}
"""How high a role is; those that are no role of ours are Keystone's."""
LEAST = {"reader": 0, "operator": 1, "manager": 3, "admin": 4}
"""How high a role has to be."""
PEOPLE: tuple[Identity, ...] = (
    system(),
    *(system(role) for role in ROLES),
    *(member(project, role) for role in ROLES for project in ("owner", "lessee", "stranger")),
    Identity("unscoped", roles=frozenset({"admin"})),
)


def least(route: dict[str, Any]) -> str:
    """The least role for a route, by the table above."""
    found = RULE.fullmatch(route["policy"].removeprefix("baremetal:"))
    if found is not None:
        return str(found.lastgroup if found.lastgroup in _GROUPS else next(n for n in _GROUPS if found[n])).replace("_", "-")
    return "reader" if route["method"] == "GET" else "operator"


_GROUPS = ("anybody", "system_admin", "system_reader", "admin", "manager", "owner_operator", "leased_operator", "operator")


def may(who: Identity, needed: str) -> bool:
    """Whether somebody may at all."""
    if needed == "anybody":
        return True
    if not who.is_system and (who.project is None or needed.startswith("system-")):
        return False
    return height(who) >= LEAST[bare(needed)]


def height(who: Identity) -> int:
    """How high somebody's role is."""
    return max((HEIGHTS[role] for role in who.roles), default=-1)


def bare(needed: str) -> str:
    """A least role without where it has to be held."""
    return needed.removeprefix("system-").removeprefix("owner-").removeprefix("leased-")


def may_lease(who: Identity, needed: str) -> bool:
    """Whether somebody may where the project only leases: members read, and what is the owner's stays the owner's."""
    return needed in ("reader", "leased-operator") or (needed == "operator" and height(who) >= HEIGHTS["operator"])


class TestTable(RBACTestCase):
    people = PEOPLE
    readers: tuple[Identity, ...] = (system("reader"), member("owner", "reader"))

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger(level=logging.CRITICAL))

    def send(self, who: Identity, route: dict[str, Any]) -> Any:
        """A request to a route, with a body that says nothing."""
        names = re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], str(uuid4())), route["path"])
        return self.ask(who, route["method"], names, None if route["method"] == "GET" else {})

    def test_declarations_are_those_of_the_table(self) -> None:
        """What is declared beside a route is what was decided for its rule."""
        for route in routes():
            self.assertEqual(least(route), route["role"], (route["method"], route["path"]))

    def test_every_route_against_everybody(self) -> None:
        """Who lacks the role is refused, by rule and role; who has it is not; nodes of other projects are not there."""
        for route in routes():
            needed = least(route)
            for who in self.people:
                self.enrol()
                answer = self.send(who, route)
                told = (who.user, route["method"], route["path"], answer.status, answer.raw)
                if not may(who, needed):
                    self.assert_refused(answer, 403, route["policy"], bare(needed))
                elif needed != "anybody" and "{node}" in route["path"] and who.project == "stranger":
                    self.assertIn(answer.status, (400, 404), told)
                elif needed != "anybody" and not may_lease(who, needed) and "{node}" in route["path"] and who.project == "lessee":
                    self.assertIn(answer.status, (400, 403), told)
                else:
                    self.assertNotEqual(403, answer.status, told)
                    self.assertNotEqual(401, answer.status, told)

    def test_a_reader_changes_nothing(self) -> None:
        """Whatever a reader sends, no conductor is asked to change anything."""
        before = self.conductor.store.node("m1")
        for route in routes():
            if route["visibility"] != "public":
                for who in self.readers:
                    self.conductor.asked.clear()
                    answer = self.send(who, route)
                    if route["method"] != "GET":
                        self.assertEqual(403, answer.status, route)
                        self.assertEqual([], self.conductor.asked, route)
                    self.assertFalse(
                        [name for name in self.conductor.asked if name.split("_")[0] in _CHANGING], self.conductor.asked
                    )
        self.assertEqual(before, self.conductor.store.node("m1"))


_CHANGING = {"create", "update", "delete", "set", "change", "inject", "attach", "detach", "replace", "purge", "vendor"}
