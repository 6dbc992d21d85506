"""Every route against every role, in the whole system and in projects."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.auth import Identity
from tests.fixtures.api_access import ROLES, RBACTestCase, member, system

FOR: dict[str, str] = {
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
"""Who may do what, said a second time: a change of a declaration is a decision, and is made here as well."""
READ, CHANGE, MANAGE, OWN = (f"{roles} admin" for roles in ("reader member manager", "member manager", "manager", ""))
BY_PLACE: dict[str, dict[str, str]] = {
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
"""The roles that are enough, by what the caller is to what is asked for; the same a second time."""
ALSO: dict[str, dict[str, str]] = {
    "baremetal:node:create": {"project": f"{OWN} service"},
    "baremetal:node:delete": {"owner": OWN},
    "baremetal:node:update": {"owner": "service"},
    "baremetal:allocation:create": {},
}
"""Of routes that a second rule lets in as well: whom."""
VALUES = {"node": "m1", "driver": "fake-hardware", "conductor": "host-1", "trait": "CUSTOM_X", "indicator": "led@system"}
PEOPLE: tuple[Identity, ...] = (
    system(),
    *(system(role) for role in ROLES),
    *(member(project, role) for role in ROLES for project in ("owner", "lessee", "stranger")),
    Identity("unscoped", roles=frozenset({"admin"})),
)


def persona(route: dict[str, Any]) -> str:
    """For whom a route is, by the table above."""
    [found] = [name for name, rules in FOR.items() if re.fullmatch(rules, route["policy"].removeprefix("baremetal:"))]
    return found


def may(who: Identity, route: dict[str, Any], places: Iterable[str]) -> bool:
    """Whether somebody who is all of these may."""
    by_place, also = BY_PLACE[persona(route)], ALSO.get(route["policy"], {})
    enough = {role for place in places for role in f"{by_place.get(place, '')} {also.get(place, '')}".split()}
    return bool(who.roles & enough)


def places(who: Identity, to: str | None) -> tuple[str, ...]:
    """What somebody is to the node of the project *owner*, leased by *lessee*; None: to something that is all his own."""
    if who.is_system or who.project is None:
        return ("system",) if who.is_system else ()
    return ("project", "owner", "lessee") if to is None else ("project", who.project)


def sees_node(who: Identity) -> bool:
    """Whether the node is there for somebody."""
    return bool(who.is_system or (who.project in ("owner", "lessee") and (who.roles != {"service"} or who.project == "owner")))


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
            self.assertEqual(persona(route), route["role"], (route["method"], route["path"]))

    def test_every_route_against_everybody(self) -> None:
        """Who lacks the role is refused, by rule and role; who has it is not; nodes of other projects are not there."""
        for route in routes():
            for who in self.people:
                self.enrol()
                self.check(who, route, self.send(who, route))

    def check(self, who: Identity, route: dict[str, Any], answer: Any) -> None:
        """What the table says of somebody and a route holds for an answer."""
        told = (who.user, route["method"], route["path"], answer.status, answer.raw)
        of_node = "{node}" in route["path"]
        if persona(route) == "anybody" or (not of_node and may(who, route, places(who, None))):
            self.assertNotIn(answer.status, (401, 403), told)
        elif of_node and who.project is not None and not sees_node(who):
            self.assertIn(answer.status, (400, 404), told)
        elif not may(who, route, places(who, None)):
            self.assert_refused(answer, 403, route["policy"], "role")
        elif may(who, route, places(who, "m1")):
            self.assertNotIn(answer.status, (401, 403), told)
        else:
            self.assertIn(answer.status, (400, 403, 404) if "allocation" in route["path"] else (400, 403), told)

    def test_a_reader_changes_nothing(self) -> None:
        """Whatever a reader sends, no conductor is asked to change anything."""
        before = self.conductor.store.node("m1")
        for route in routes():
            if route["visibility"] != "public":
                for who in self.readers:
                    self.conductor.asked.clear()
                    answer = self.send(who, route)
                    if route["method"] != "GET":
                        self.assertIn(answer.status, (403, 404) if who.project == "stranger" else (403,), route)
                        self.assertEqual([], self.conductor.asked, route)
                    self.assertFalse(
                        [name for name in self.conductor.asked if name.split("_")[0] in _CHANGING], self.conductor.asked
                    )
        self.assertEqual(before, self.conductor.store.node("m1"))


_CHANGING = {"create", "update", "delete", "set", "change", "inject", "attach", "detach", "replace", "purge", "vendor"}
