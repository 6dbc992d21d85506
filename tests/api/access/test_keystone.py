"""All routes with all roles of a real Keystone, in the whole system and in projects."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.auth import Identity
from baremetal_sdk.store.records.node import NodeRecord
from tests.api.access import test_scopes, test_table
from tests.fixtures import keystone
from tests.fixtures.api import LATEST, APIResponse
from tests.fixtures.api_access import RBACTestCase, project_identity, system_identity

ROLES = ("reader", "member", "manager", "service", "admin")
PROJECTS = ("owner", "lessee", "stranger")
IDENTITIES: tuple[Identity, ...] = (
    *(system_identity(role) for role in ROLES),
    *(project_identity(project, role) for role in ROLES for project in PROJECTS),
    Identity("unscoped", roles=frozenset()),
)


class KeystoneTestCase(RBACTestCase):
    """API with authentication by a real Keystone, which has the users above. The tests of a class share one Keystone."""

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
        cls.tokens = {identity.user: cls._log_in(identity) for identity in IDENTITIES}

    @classmethod
    def _log_in(cls, identity: Identity) -> str:
        user = cls.server.create_user(identity.user)
        if not identity.roles:
            return cls.server.token(identity.user)
        project = None if identity.project is None else cls.projects[identity.project]
        for role in identity.roles:
            cls.server.assign_role(user, role, project)
        return cls.server.token(identity.user, {"system": {"all": True}} if project is None else {"project": {"id": project}})

    def setUp(self) -> None:
        if keystone.missing():
            self.skipTest(str(keystone.missing()))
        super().setUp()
        options = {"keystone_authtoken": self.server.middleware_options()}
        self.conductor.config = dataclasses.replace(self.conductor.config, auth_strategy="keystone", plugins=options)
        self.app = bare_metal_api(self.conductor)

    def enroll(self, **values: Any) -> NodeRecord:
        """Store the node with the UUIDs of the projects in Keystone."""
        return super().enroll(owner=self.projects["owner"], lessee=self.projects["lessee"], **values)

    def request_as(self, identity: Identity, method: str, path: str, body: Any = None) -> APIResponse:
        """Send a request with the token of an identity."""
        return self.request(method, path, body, version=LATEST, X_Auth_Token=self.tokens[identity.user])


class TestPersonas(KeystoneTestCase, test_table.TestTable, test_scopes.TestSecrets):
    identities = IDENTITIES
    readers = (system_identity("reader"), *(project_identity(project, "reader") for project in PROJECTS))

    def test_unauthenticated_request_gets_the_keystone_url(self) -> None:
        """The status is 401 without a token, with an invalid one and with a revoked one. Public routes need no token."""
        revoked = self.server.token(system_identity("admin").user, {"system": {"all": True}})
        self.server.revoke(revoked)
        for headers in ({}, {"X_Auth_Token": "nonsense"}, {"X_Auth_Token": revoked}):
            response = self.request("GET", "/v1/nodes", **headers)
            self.assertEqual(401, response.status)
            self.assertIn(self.server.url, response.headers["WWW-Authenticate"])
        self.assertEqual(200, self.request("GET", "/v1").status)

    def test_identity_headers_of_clients_are_ignored(self) -> None:
        """Headers that keystonemiddleware sets have no effect if a client sends them."""
        claimed = {"X_Roles": "admin", "X_Identity_Status": "Confirmed", "OpenStack_System_Scope": "all", "X_User_Id": "me"}
        self.assertEqual(401, self.request("DELETE", "/v1/nodes/m1", **claimed).status)
        token = self.tokens[project_identity("owner", "reader").user]
        self.assertEqual(403, self.request("DELETE", "/v1/nodes/m1", X_Auth_Token=token, **claimed).status)

    def test_elevated_service_role_reads_the_whole_system(self) -> None:
        """A service in the service project sees all nodes if [DEFAULT] rbac_service_role_elevated_access is true."""
        project, user = self.server.create_project("services"), self.server.create_user("nova")
        self.server.assign_role(user, "service", project)
        token = self.server.token("nova", {"project": {"id": project}})
        for enabled, seen in ((False, 0), (True, 1)):
            options = {"rbac_service_role_elevated_access": enabled, "rbac_service_project_name": "services"}
            self.conductor.config = dataclasses.replace(self.conductor.config, **options)
            self.app = bare_metal_api(self.conductor)
            self.assertEqual(seen, len(self.request("GET", "/v1/nodes", X_Auth_Token=token).json["nodes"]))

    def test_listings_have_the_nodes_of_the_project(self) -> None:
        """Owner, lessee and clients of the whole system see the node. Other projects see none."""
        for identity in IDENTITIES:
            if identity.roles:
                nodes = self.request_as(identity, "GET", "/v1/nodes").json["nodes"]
                self.assertEqual(0 if identity.project == "stranger" else 1, len(nodes), identity)
