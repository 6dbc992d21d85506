"""The Bare Metal API behind authentication: its policy is told who asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk import Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.api.access.policy import AllowAll
from baremetal_sdk.config import APIConfig
from baremetal_sdk.context import RequestContext
from baremetal_sdk.testing import running_conductor
from tests.fixtures.callers import basic, call, write_users


class Listening(AllowAll):
    """Allows everything, and remembers who wanted it."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []

    def scope(self, rule: str, context: RequestContext) -> Any:
        """Remember who asks."""
        self.contexts.append(context)
        return super().scope(rule, context)


class TestAPI(TestCase):
    def setUp(self) -> None:
        super().setUp()
        path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="wonderland")
        self.config = ConductorConfig(
            auth_strategy="http_basic", http_basic_auth_user_file=str(path), api=APIConfig(port=0), host="here"
        )
        self.policy = Listening()

    def _api(self, conductor: Conductor) -> Any:
        return bare_metal_api(conductor, policy=self.policy)

    def test_the_policy_is_told_who_asks(self) -> None:
        """With the roles that authentication gave; whoever is not let in is not asked about."""
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            self.assertEqual(401, call(api, "/v1/nodes").status_int)
            self.assertEqual([], self.policy.contexts)
            self.assertEqual(200, call(api, "/v1/nodes", basic("alice", "wonderland")).status_int)
        self.assertEqual("alice", self.policy.contexts[0].user)
        self.assertIn("admin", self.policy.contexts[0].roles)

    def test_certificates_name_users_too(self) -> None:
        """With their roles in the file, as users with passwords have them."""
        roles = Path(self.useFixture(TempDir()).path) / "roles"
        roles.write_text("alice: reader\n")
        api_config = APIConfig(port=0, enable_ssl_api=True, client_certificates="optional", roles_file=str(roles))
        self.config = ConductorConfig(auth_strategy="client_certificate", api=api_config, host="here")
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            self.assertEqual(401, call(api, "/v1/nodes").status_int)
            shown = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN_CN": "alice"}
            self.assertEqual(200, call(api, "/v1/nodes", **shown).status_int)
        self.assertEqual(("alice", {"reader"}), (self.policy.contexts[0].user, self.policy.contexts[0].roles))

    def test_versions_and_health_are_told_to_anybody(self) -> None:
        """Readiness says which part cannot work."""
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            for path in ("/", "/v1", "/healthz", "/readyz"):
                self.assertEqual(200, call(api, path).status_int, path)
        self.assertIn("conductor: ", call(api, "/readyz").text)
        self.assertEqual((200, 503), (call(api, "/healthz").status_int, call(api, "/readyz").status_int))
