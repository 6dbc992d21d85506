"""Authentication by certificate and by Keystone, and the selection of the strategy."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Busy, Deadline
from baremetal_sdk.auth import IDENTITY_KEY, BasicAuth, CertificateAuth, Identity, NoAuth, add_authentication
from baremetal_sdk.auth.allowed_roles import AllowedRoles
from baremetal_sdk.auth.keystone import KeystoneAuth
from baremetal_sdk.auth.keystone_login import KeystoneLogin
from baremetal_sdk.auth.keystone_tokens import TokenCache
from baremetal_sdk.config import APIConfig, ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer
from baremetal_sdk.testing import ManualClock
from tests.fixtures.callers import application, call, write_users

CERTIFICATE = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN_CN": "alice"}


class TestCertificates(TestCase):
    def test_a_verified_certificate_identifies_the_caller(self) -> None:
        """Without a verified certificate only public paths are served."""
        app = CertificateAuth(application)
        self.assertEqual("alice", call(app, **CERTIFICATE).text.split()[0])
        for wrong in ({}, {**CERTIFICATE, "SSL_CLIENT_VERIFY": "NONE"}, {**CERTIFICATE, "SSL_CLIENT_S_DN_CN": ""}):
            self.assertEqual(401, call(app, **wrong).status_int)
        self.assertEqual("nobody", call(app, "/v1").text)

    def test_accepted_names_can_be_limited(self) -> None:
        """A valid certificate with another name gets status 403."""
        app = CertificateAuth(application, {"alice": ["reader"]})
        self.assertEqual("alice None ['reader']", call(app, **CERTIFICATE).text)
        self.assertEqual(403, call(app, **{**CERTIFICATE, "SSL_CLIENT_S_DN_CN": "bob"}).status_int)

    def test_headers_cannot_forge_a_certificate(self) -> None:
        """The variables of the server differ from those of headers."""
        spoofed = {f"HTTP_{name}": value for name, value in CERTIFICATE.items()}
        self.assertEqual(401, call(CertificateAuth(application), **spoofed).status_int)


class TestStrategySelection(TestCase):
    def test_the_strategy_is_the_configured_one(self) -> None:
        """Missing requirements of a strategy are errors at the start that name the option."""
        path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="x")
        self.assertIsInstance(add_authentication(application, ConductorConfig()), NoAuth)
        basic = ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file=str(path))
        self.assertIsInstance(add_authentication(application, basic), BasicAuth)
        certificate = ConductorConfig(
            auth_strategy="client_certificate", api=APIConfig(enable_ssl_api=True, client_certificates="required")
        )
        self.assertIsInstance(add_authentication(application, certificate), CertificateAuth)
        for config, word in (
            (ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file="/nowhere"), "http_basic_auth_user_file"),
            (ConductorConfig(auth_strategy="keystone"), "[keystone_authtoken]"),
            (ConductorConfig(auth_strategy="client_certificate"), "[api] client_certificates"),
        ):
            self.assertIn(word, str(self.assertRaises(ConfigurationError, add_authentication, application, config)))

    def test_without_authentication_only_loopback_is_served(self) -> None:
        """A second option is necessary to listen on public interfaces."""
        public_api = APIConfig(port=0, host_ip="0.0.0.0")
        server = HTTPServer(add_authentication(application, ConductorConfig(api=public_api)), public_api)
        self.assertIn("allow_noauth_on_public_interfaces", str(self.assertRaises(ConfigurationError, server.start)))
        allowed_api = APIConfig(port=0, host_ip="0.0.0.0", allow_noauth_on_public_interfaces=True)
        server = HTTPServer(add_authentication(application, ConductorConfig(api=allowed_api)), allowed_api)
        server.start()
        self.assertTrue(server.stop(Deadline.after(10)))


class TestKeystone(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger())

    def test_a_valid_token_identifies_the_caller(self) -> None:
        """The identity has project and roles. Without a valid token, the response has status 401 and the URL of Keystone."""
        with keystone() as url:
            app = KeystoneAuth(application, _build_options(url))
            answer = call(app, HTTP_X_AUTH_TOKEN="good")
            self.assertEqual("user-1 project-1 ['member', 'reader']", answer.text)
            for token in ({"HTTP_X_AUTH_TOKEN": "bad"}, {}):
                answer = call(app, **token)
                self.assertEqual(401, answer.status_int)
                self.assertIn("Keystone uri=", answer.headers["WWW-Authenticate"])
        self.assertNotIn("not known", self.log.output)

    def test_headers_cannot_replace_a_token(self) -> None:
        """Headers that keystonemiddleware sets are removed from requests of clients."""
        spoofed = {"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_USER_ID": "admin", "HTTP_X_ROLES": "admin"}
        with keystone() as url:
            self.assertEqual(401, call(KeystoneAuth(application, _build_options(url)), **spoofed).status_int)

    def test_an_error_of_keystone_gets_status_503(self) -> None:
        """Without a catalog, keystonemiddleware raises an error. It is logged, and the client may try again."""
        with keystone(_KeystoneWithoutCatalog) as url:
            answer = call(KeystoneAuth(application, _build_options(url)), HTTP_X_AUTH_TOKEN="good")
            self.assertEqual(503, answer.status_int)
            self.assertEqual("5", answer.headers["Retry-After"])
            self.assertIn("could not check the token", self.log.output)

    def test_an_unreachable_keystone_does_not_invalidate_tokens(self) -> None:
        """A client with a valid token gets status 503 instead of 401, and is served when Keystone is reachable."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        app = KeystoneAuth(application, _build_options(f"http://127.0.0.1:{port}"))
        answer = call(app, HTTP_X_AUTH_TOKEN="good")
        self.assertEqual(503, answer.status_int)
        self.assertEqual("5", answer.headers["Retry-After"])
        self.assertEqual(401, call(app).status_int)
        with keystone(port=port):
            self.assertEqual(200, call(app, HTTP_X_AUTH_TOKEN="good").status_int)
        self.assertEqual(200, call(app, HTTP_X_AUTH_TOKEN="good").status_int)  # from the cache

    def test_exceptions_of_the_application_are_passed_on(self) -> None:
        """They are not taken for errors of Keystone."""

        def broken(environ: object, start_response: object) -> list[bytes]:
            raise LookupError("a mistake")

        with keystone() as url:
            app = KeystoneAuth(broken, _build_options(url))
            self.assertRaises(LookupError, call, app, HTTP_X_AUTH_TOKEN="good")

    def test_public_paths_do_not_need_keystone(self) -> None:
        """Health checks work while Keystone is not reachable."""
        app = KeystoneAuth(application, _build_options("http://127.0.0.1:9"))
        self.assertEqual("nobody", call(app, "/healthz", HTTP_X_AUTH_TOKEN="any").text)


class TestTokenCache(TestCase):
    def test_cached_tokens_expire_and_are_limited(self) -> None:
        """Clients cannot fill the memory with tokens."""
        clock = ManualClock()
        cache = TokenCache(max_tokens=2, clock=clock)
        for key in ("one", "two"):
            cache.set(key, key.upper(), time=10)
        self.assertEqual("ONE", cache.get("one"))
        cache.set("three", "THREE", time=20)
        self.assertEqual(["ONE", None, "THREE"], [cache.get(key) for key in ("one", "two", "three")])
        clock.turn(10)
        self.assertEqual([None, "THREE"], [cache.get(key) for key in ("one", "three")])


class TestAllowedRoles(TestCase):
    def test_a_role_in_the_right_scope_is_required(self) -> None:
        """A role counts in system scope and in the service's own project only."""
        guarded = AllowedRoles(application, ["Admin", "service"], lambda: "own")
        for allowed, identity in (
            (True, Identity("a", "own", frozenset({"service"}))),
            (True, Identity("b", None, frozenset({"admin"}), is_system=True)),
            (False, Identity("c", "other", frozenset({"admin", "service"}))),
            (False, Identity("d", "own", frozenset({"member"}))),
            (False, Identity("e", None, frozenset({"admin"}))),
            (False, None),
        ):
            answer = call(guarded, **{IDENTITY_KEY: identity})
            self.assertEqual(200 if allowed else 403, answer.status_int, identity)
        self.assertIn("admin, service", answer.text)

    def test_without_an_own_project_only_system_scope_counts(self) -> None:
        """A caller without a project is not in the service's project."""
        guarded = AllowedRoles(application, ["admin"], lambda: None)
        self.assertEqual(403, call(guarded, **{IDENTITY_KEY: Identity("a", None)}).status_int)


class TestLogin(TestCase):
    def test_the_token_is_cached(self) -> None:
        """The cache works while Keystone is not reachable. A rejected token is discarded."""
        with keystone() as url:
            login = KeystoneLogin(_build_options(url))
            self.assertEqual("ours", login.get_token(Deadline.after(10)))
            self.assertEqual("service", login.get_project_id(Deadline.after(10)))
        self.assertEqual("ours", login.get_token(Deadline.after(10)))
        login.discard_token("an older one")
        self.assertEqual("ours", login.get_token(Deadline.after(10)))
        login.discard_token("ours")
        self.assertRaises(Busy, login.get_token, Deadline.after(10))

    def test_requests_to_an_unreachable_keystone_pause(self) -> None:
        """Calls during the pause fail at once."""
        log = self.useFixture(FakeLogger())
        clock = ManualClock()
        with keystone() as url:
            pass
        login = KeystoneLogin(_build_options(url), clock=clock)
        for _ in range(2):
            error = self.assertRaises(Busy, login.get_token, Deadline.after(10))
            self.assertIsNotNone(error.retry_after)
        self.assertEqual(1, log.output.count("does not issue a token"))
        with keystone(port=int(url.rpartition(":")[2])):
            clock.turn(2)
            self.assertEqual("ours", login.get_token(Deadline.after(10)))

    def test_an_incomplete_section_is_named(self) -> None:
        """The error occurs at the start and names the missing option."""
        for options in ({}, {"auth_url": "http://127.0.0.1:9"}, {"auth_type": "nonsense", "auth_url": "http://127.0.0.1:9"}):
            error = self.assertRaises(ConfigurationError, KeystoneLogin, options, "rpc_callers")
            self.assertIn("[rpc_callers]", str(error))


def _build_options(url: str) -> dict[str, str]:
    return {
        "auth_url": url, "www_authenticate_uri": url, "auth_type": "password", "username": "us", "password": "ours",
        "project_name": "service", "user_domain_id": "default", "project_domain_id": "default", "http_request_max_retries": "0",
        "service_token_roles_required": "true",
    }  # fmt: skip


class _Keystone(BaseHTTPRequestHandler):
    """The part of Keystone's API v3 that a token check needs."""

    interfaces: tuple[str, ...] = ("public", "internal", "admin")

    def do_GET(self) -> None:
        """Answer discovery requests and token checks."""
        token = self.headers.get("X-Subject-Token")
        host = f"http://{self.headers['Host']}"
        if self.path.startswith("/v3/auth/tokens"):
            return self._answer(200, {"token": _token("user-1", "project-1")}) if token == "good" else self._answer(404, {})
        links = [{"rel": "self", "href": f"{host}/v3/"}]
        version = {"id": "v3.14", "status": "stable", "links": links, "updated": "2020-01-01T00:00:00Z"}
        if self.path == "/":
            return self._answer(300, {"versions": {"values": [version]}})
        return self._answer(200, {"version": version})

    def do_POST(self) -> None:
        """Issue a token for the service itself."""
        self.rfile.read(int(self.headers["Content-Length"]))
        host = f"http://{self.headers['Host']}/v3"
        endpoints = [{"id": name, "interface": name, "region": "r", "region_id": "r", "url": host} for name in self.interfaces]
        catalog = [{"id": "1", "type": "identity", "name": "keystone", "endpoints": endpoints}] if endpoints else []
        self._answer(201, {"token": {**_token("service", "service"), "catalog": catalog}}, ("X-Subject-Token", "ours"))

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _answer(self, status: int, value: Any, *headers: tuple[str, str]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(content)))):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)


class _KeystoneWithoutCatalog(_Keystone):
    """Keystone without endpoints in its catalog."""

    interfaces = ()


def _token(user: str, project: str) -> dict[str, Any]:
    domain = {"id": "default", "name": "Default"}
    return {
        "methods": ["password"], "expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": "2020-01-01T00:00:00.000000Z",
        "user": {"id": user, "name": user, "domain": domain}, "project": {"id": project, "name": project, "domain": domain},
        "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "Reader"}], "audit_ids": ["a"], "catalog": [],
    }  # fmt: skip


@contextmanager
def keystone(kind: type[_Keystone] = _Keystone, port: int = 0) -> Iterator[str]:
    """Run a Keystone that accepts the token ``good``, and yield its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", port), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
