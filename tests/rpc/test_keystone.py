"""JSON-RPC with a real Keystone: callers need a valid token with the right role."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from baremetal_interfaces import Busy
from baremetal_sdk.auth.keystone_login import SECTION, KeystoneLogin
from baremetal_sdk.config import ConductorConfig, JSONRPCConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from tests.fixtures import keystone
from tests.rpc import test_json_rpc

# The users: role, and the project of the role (None: the whole system).
USERS = {
    "metald": ("service", "service"),
    "api": ("service", "service"),
    "operator": ("admin", None),
    "tenant": ("admin", "tenants"),
    "colleague": ("member", "service"),
}


class TestKeystone(test_json_rpc.JSONRPCCase):
    options = JSONRPCConfig(port=0, auth_strategy="keystone", auth_section="rpc_callers")
    server: ClassVar[keystone.Keystone]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if keystone.missing():
            return
        cls.server = keystone.Keystone()
        cls.server.setUp()
        cls.addClassCleanup(cls.server.cleanUp)
        projects = {name: cls.server.create_project(name) for name in ("service", "tenants")}
        for name, (role, project) in USERS.items():
            cls.server.assign_role(cls.server.create_user(name), role, projects[project] if project else None)

    def setUp(self) -> None:
        if keystone.missing():
            self.skipTest(str(keystone.missing()))
        super().setUp()

    def config(self) -> ConductorConfig:
        """Return the configuration of a conductor in the project of the services, without a token cache."""
        own = {**self.login("metald"), "token_cache_time": "-1"}
        return dataclasses.replace(super().config(), plugins={SECTION: own, "rpc_callers": self.login("api")})

    def login(self, user: str, **options: str) -> dict[str, str]:
        """Return the keystoneauth options for the login of a user."""
        _, project = USERS[user]
        scope = {"project_name": project, "project_domain_id": "default"} if project else {"system_scope": "all"}
        return {**self.server.middleware_options(), "username": user, "system_scope": "", **scope, **options}

    def create_caller(self, **login: str) -> RPCClient:
        """Return a client that logs in with these options."""
        json_rpc = dataclasses.replace(self.options, port=self.port)
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc, plugins={"rpc_callers": login})
        client = transports.create_client(config, self.conductor.store, self.conductor.clock, {})
        self.addCleanup(client.close)
        return client

    def test_a_role_in_the_own_project_or_the_whole_system_is_accepted(self) -> None:
        """An allowed role is accepted in the conductor's project and in the whole system."""
        for user in ("api", "metald", "operator"):
            self.assertEqual(1, self.create_caller(**self.login(user)).call("echo", value=1))
        self.assertEqual(3, self.probe.runs)

    def test_a_token_alone_is_not_enough(self) -> None:
        """An administrator of another project is rejected, and so is a member without an allowed role."""
        for user in ("tenant", "colleague"):
            error = self.assertRaises(ConfigurationError, self.create_caller(**self.login(user)).call, "echo", value=1)
            self.assertIn("status 403: access denied: one of the roles admin, service", error.message)
            self.assertIn("[json_rpc] allowed_roles", error.message)
        self.assertEqual(0, self.probe.runs)

    def test_callers_without_a_valid_token_are_rejected(self) -> None:
        """A caller without a token, or with a wrong password, runs nothing."""
        json_rpc = dataclasses.replace(self.options, port=self.port, auth_strategy="noauth")
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc)
        client = transports.create_client(config, self.conductor.store, self.conductor.clock, {})
        self.addCleanup(client.close)
        self.assertIn("status 401", self.assertRaises(ConfigurationError, client.call, "echo", value=1).message)
        wrong_caller = self.create_caller(**self.login("api", password="wrong-one"))
        error = self.assertRaises(ConfigurationError, wrong_caller.call, "echo", value=1)
        self.assertIn("[rpc_callers]", error.message)
        self.assertNotIn("wrong-one", error.message)
        self.assertEqual(0, self.probe.runs)

    def test_a_revoked_token_is_replaced(self) -> None:
        """A call that was rejected for a revoked token is sent again with a new token."""
        tokens: list[str] = []
        token = KeystoneLogin.get_token

        def record_token(login: Any, *arguments: Any) -> str:
            tokens.append(token(login, *arguments))
            return tokens[-1]

        self.patch(KeystoneLogin, "get_token", record_token)
        client = self.create_caller(**self.login("api"))
        self.assertEqual(1, client.call("echo", value=1))
        self.server.revoke(tokens[0])
        self.assertEqual(2, client.call("echo", value=2))
        self.assertEqual(2, len(set(tokens)))
        self.assertEqual(2, self.probe.runs)

    def test_an_unreachable_keystone_is_reported_as_busy(self) -> None:
        """A caller without a token gets Busy with a retry time while Keystone is unreachable."""
        client = self.create_caller(**self.login("api", auth_url="http://127.0.0.1:9/v3"))
        self.assertIsNotNone(self.assertRaises(Busy, client.call, "echo", value=1).retry_after)
        self.assertEqual(0, self.probe.runs)
