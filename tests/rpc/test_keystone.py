"""JSON-RPC behind a real Keystone: callers show a token of theirs, and have a role where it counts."""

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

# Who there is: user -> role, and the project in which that is (None: the whole system).
PEOPLE = {
    "metald": ("service", "service"),
    "api": ("service", "service"),
    "operator": ("admin", None),
    "tenant": ("admin", "tenants"),
    "colleague": ("member", "service"),
}


class TestKeystone(test_json_rpc.JSONRPCMode):
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
        for name, (role, project) in PEOPLE.items():
            cls.server.assign_role(cls.server.create_user(name), role, projects[project] if project else None)

    def setUp(self) -> None:
        if keystone.missing():
            self.skipTest(str(keystone.missing()))
        super().setUp()

    def config(self) -> ConductorConfig:
        """The conductor is in the project of the services, and asks Keystone of each token anew."""
        own = {**self.login("metald"), "token_cache_time": "-1"}
        return dataclasses.replace(super().config(), plugins={SECTION: own, "rpc_callers": self.login("api")})

    def login(self, user: str, **options: str) -> dict[str, str]:
        """What a section says for somebody to log in."""
        _, project = PEOPLE[user]
        scope = {"project_name": project, "project_domain_id": "default"} if project else {"system_scope": "all"}
        return {**self.server.middleware_options(), "username": user, "system_scope": "", **scope, **options}

    def caller(self, **login: str) -> RPCClient:
        """A client that logs in like this."""
        json_rpc = dataclasses.replace(self.options, port=self.port)
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc, plugins={"rpc_callers": login})
        client = transports.create_client(config, self.conductor.store, self.conductor.clock, {})
        self.addCleanup(client.close)
        return client

    def test_a_role_in_the_own_project_or_the_whole_system_lets_in(self) -> None:
        """The section of callers is one of their own; without it they log in as conductors do."""
        for user in ("api", "metald", "operator"):
            self.assertEqual(1, self.caller(**self.login(user)).call("echo", value=1))
        self.assertEqual(3, self.probe.runs)

    def test_a_token_alone_is_not_enough(self) -> None:
        """Neither an administrator of other projects nor a colleague of the services commands machines."""
        for user in ("tenant", "colleague"):
            error = self.assertRaises(ConfigurationError, self.caller(**self.login(user)).call, "echo", value=1)
            self.assertIn("status 403: one of the roles admin, service", error.message)
            self.assertIn("[json_rpc] allowed_roles", error.message)
        self.assertEqual(0, self.probe.runs)

    def test_who_shows_no_token_or_a_wrong_one_runs_nothing(self) -> None:
        """A client of another strategy is told so; headers stand in for no token."""
        json_rpc = dataclasses.replace(self.options, port=self.port, auth_strategy="noauth")
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc)
        client = transports.create_client(config, self.conductor.store, self.conductor.clock, {})
        self.addCleanup(client.close)
        self.assertIn("status 401", self.assertRaises(ConfigurationError, client.call, "echo", value=1).message)
        mistaken = self.caller(**self.login("api", password="wrong-one"))
        error = self.assertRaises(ConfigurationError, mistaken.call, "echo", value=1)
        self.assertIn("[rpc_callers]", error.message)
        self.assertNotIn("wrong-one", error.message)
        self.assertEqual(0, self.probe.runs)

    def test_a_token_that_was_taken_back_is_replaced(self) -> None:
        """The call that was refused for it is sent again: it was not run."""
        tokens: list[str] = []
        token = KeystoneLogin.token

        def noting(login: Any, *arguments: Any) -> str:
            tokens.append(token(login, *arguments))
            return tokens[-1]

        self.patch(KeystoneLogin, "token", noting)
        client = self.caller(**self.login("api"))
        self.assertEqual(1, client.call("echo", value=1))
        self.server.revoke(tokens[0])
        self.assertEqual(2, client.call("echo", value=2))
        self.assertEqual(2, len(set(tokens)))
        self.assertEqual(2, self.probe.runs)

    def test_a_keystone_that_is_away_is_no_refusal(self) -> None:
        """Whoever has no token yet is told to come back."""
        client = self.caller(**self.login("api", auth_url="http://127.0.0.1:9/v3"))
        self.assertIsNotNone(self.assertRaises(Busy, client.call, "echo", value=1).retry_after)
        self.assertEqual(0, self.probe.runs)
