"""Every route against every persona of a real Keystone: its roles in the whole system and in projects."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.auth import Identity
from baremetal_sdk.store.records.node import NodeRecord
from tests.api.access import test_scopes, test_table
from tests.fixtures import keystone
from tests.fixtures.api import LATEST, Answer
from tests.fixtures.api_access import RBACTestCase, member, system

ROLES = ("reader", "member", "manager", "service", "admin")
PROJECTS = ("owner", "lessee", "stranger")
PEOPLE: tuple[Identity, ...] = (
    *(system(role) for role in ROLES),
    *(member(project, role) for role in ROLES for project in PROJECTS),
    Identity("unscoped", roles=frozenset()),
)


class KeystoneTestCase(RBACTestCase):
    """An API that knows its callers from a Keystone, which knows the people above. One Keystone serves all tests of a class."""

    server: ClassVar[keystone.Keystone]
    tokens: ClassVar[dict[str, str]]
    projects: ClassVar[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if keystone.missing():
            return
        cls.server = keystone.Keystone()
        cls.server.setUp()
        cls.addClassCleanup(cls.server.cleanUp)
        cls.projects = {name: cls.server.create_project(name) for name in PROJECTS}
        cls.tokens = {who.user: cls._log_in(who) for who in PEOPLE}

    @classmethod
    def _log_in(cls, who: Identity) -> str:
        user = cls.server.create_user(who.user)
        if not who.roles:
            return cls.server.token(who.user)
        project = None if who.project is None else cls.projects[who.project]
        for role in who.roles:
            cls.server.assign_role(user, role, project)
        return cls.server.token(who.user, {"system": {"all": True}} if project is None else {"project": {"id": project}})

    def setUp(self) -> None:
        if keystone.missing():
            self.skipTest(str(keystone.missing()))
        super().setUp()
        options = {"keystone_authtoken": self.server.middleware_options()}
        self.conductor.config = dataclasses.replace(self.conductor.config, auth_strategy="keystone", plugins=options)
        self.app = bare_metal_api(self.conductor)

    def enrol(self, **values: Any) -> NodeRecord:
        """Store the node, of these projects."""
        return super().enrol(owner=self.projects["owner"], lessee=self.projects["lessee"], **values)

    def ask(self, who: Identity, method: str, path: str, body: Any = None) -> Answer:
        """Send a request with somebody's token."""
        return self.request(method, path, body, version=LATEST, X_Auth_Token=self.tokens[who.user])


class TestPersonas(KeystoneTestCase, test_table.TestTable, test_scopes.TestSecrets):
    people = PEOPLE
    readers = (system("reader"), *(member(project, "reader") for project in PROJECTS))

    def test_who_is_not_known_is_told_where_to_log_in(self) -> None:
        """No token, a wrong one and one that was taken back are 401; what is public needs none."""
        taken_back = self.server.token(system("admin").user, {"system": {"all": True}})
        self.server.revoke(taken_back)
        for headers in ({}, {"X_Auth_Token": "nonsense"}, {"X_Auth_Token": taken_back}):
            answer = self.request("GET", "/v1/nodes", **headers)
            self.assertEqual(401, answer.status)
            self.assertIn(self.server.url, answer.headers["WWW-Authenticate"])
        self.assertEqual(200, self.request("GET", "/v1").status)

    def test_headers_of_clients_make_nobody_an_admin(self) -> None:
        """What Keystone's middleware would say of a caller is not believed when a client says it."""
        claimed = {"X_Roles": "admin", "X_Identity_Status": "Confirmed", "OpenStack_System_Scope": "all", "X_User_Id": "me"}
        self.assertEqual(401, self.request("DELETE", "/v1/nodes/m1", **claimed).status)
        token = self.tokens[member("owner", "reader").user]
        self.assertEqual(403, self.request("DELETE", "/v1/nodes/m1", X_Auth_Token=token, **claimed).status)

    def test_services_of_the_project_of_services_serve_the_whole_system_where_that_is_enabled(self) -> None:
        """By the name of their project, which Keystone says."""
        project, user = self.server.create_project("services"), self.server.create_user("nova")
        self.server.assign_role(user, "service", project)
        token = self.server.token("nova", {"project": {"id": project}})
        for enabled, seen in ((False, 0), (True, 1)):
            options = {"rbac_service_role_elevated_access": enabled, "rbac_service_project_name": "services"}
            self.conductor.config = dataclasses.replace(self.conductor.config, **options)
            self.app = bare_metal_api(self.conductor)
            self.assertEqual(seen, len(self.request("GET", "/v1/nodes", X_Auth_Token=token).json["nodes"]))

    def test_listings_hold_what_a_project_owns_or_leases(self) -> None:
        """The owner and the lessee see the node, others see none, the whole system sees it."""
        for who in PEOPLE:
            if who.roles:
                nodes = self.ask(who, "GET", "/v1/nodes").json["nodes"]
                self.assertEqual(0 if who.project == "stranger" else 1, len(nodes), who)
