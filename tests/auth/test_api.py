"""The Bare Metal API behind authentication."""

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


class RecordingPolicy(AllowAll):
    """Allows everything and records the callers."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []

    def scope(self, rule: str, context: RequestContext) -> Any:
        """Record the caller."""
        self.contexts.append(context)
        return super().scope(rule, context)


class TestAPI(TestCase):
    def setUp(self) -> None:
        super().setUp()
        path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="wonderland")
        self.config = ConductorConfig(
            auth_strategy="http_basic", http_basic_auth_user_file=str(path), api=APIConfig(port=0), host="here"
        )
        self.policy = RecordingPolicy()

    def _api(self, conductor: Conductor) -> Any:
        return bare_metal_api(conductor, policy=self.policy)

    def test_the_policy_gets_the_identity(self) -> None:
        """The policy sees the roles of the caller, and is not asked about unauthenticated requests."""
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            self.assertEqual(401, call(api, "/v1/nodes").status_int)
            self.assertEqual([], self.policy.contexts)
            self.assertEqual(200, call(api, "/v1/nodes", basic("alice", "wonderland")).status_int)
        self.assertEqual("alice", self.policy.contexts[0].user)
        self.assertIn("admin", self.policy.contexts[0].roles)

    def test_certificates_identify_users(self) -> None:
        """Their roles come from the roles file, like those of users with passwords."""
        roles = Path(self.useFixture(TempDir()).path) / "roles"
        roles.write_text("alice: reader\n")
        api_config = APIConfig(port=0, enable_ssl_api=True, client_certificates="optional", roles_file=str(roles))
        self.config = ConductorConfig(auth_strategy="client_certificate", api=api_config, host="here")
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            self.assertEqual(401, call(api, "/v1/nodes").status_int)
            certificate = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN_CN": "alice"}
            self.assertEqual(200, call(api, "/v1/nodes", **certificate).status_int)
        self.assertEqual("alice", self.policy.contexts[0].user)
        self.assertEqual({"reader"}, self.policy.contexts[0].roles)

    def test_versions_and_health_are_public(self) -> None:
        """Readiness names the component that does not work."""
        with running_conductor(self.config) as conductor:
            api = self._api(conductor)
            for path in ("/", "/v1", "/healthz", "/readyz"):
                self.assertEqual(200, call(api, path).status_int, path)
        self.assertIn('"faultstring":"stopping"', call(api, "/readyz").json["error_message"])
        self.assertEqual(200, call(api, "/healthz").status_int)
        self.assertEqual(503, call(api, "/readyz").status_int)
