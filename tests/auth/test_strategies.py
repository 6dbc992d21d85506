"""The other ways of finding out who asks, and the choice between them."""

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

SHOWN = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN_CN": "alice"}


class TestCertificates(TestCase):
    def test_a_certificate_names_the_caller(self) -> None:
        """As the server checked it; without one, nobody is let in but to what is public."""
        app = CertificateAuth(application)
        self.assertEqual("alice", call(app, **SHOWN).text.split()[0])
        for wrong in ({}, {**SHOWN, "SSL_CLIENT_VERIFY": "NONE"}, {**SHOWN, "SSL_CLIENT_S_DN_CN": ""}):
            self.assertEqual(401, call(app, **wrong).status_int)
        self.assertEqual("nobody", call(app, "/v1").text)

    def test_names_can_be_listed_with_their_roles(self) -> None:
        """A valid certificate of somebody else is known, and not let in."""
        app = CertificateAuth(application, {"alice": ["reader"]})
        self.assertEqual("alice None ['reader']", call(app, **SHOWN).text)
        self.assertEqual(403, call(app, **{**SHOWN, "SSL_CLIENT_S_DN_CN": "bob"}).status_int)

    def test_headers_do_not_show_a_certificate(self) -> None:
        """A client cannot write what the server writes."""
        spoofed = {f"HTTP_{name}": value for name, value in SHOWN.items()}
        self.assertEqual(401, call(CertificateAuth(application), **spoofed).status_int)


class TestChoice(TestCase):
    def test_the_strategy_is_the_configured_one(self) -> None:
        """What it needs is checked at the start, and named."""
        path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="x")
        self.assertIsInstance(add_authentication(application, ConductorConfig()), NoAuth)
        basic = ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file=str(path))
        self.assertIsInstance(add_authentication(application, basic), BasicAuth)
        shown = ConductorConfig(
            auth_strategy="client_certificate", api=APIConfig(enable_ssl_api=True, client_certificates="required")
        )
        self.assertIsInstance(add_authentication(application, shown), CertificateAuth)
        for config, word in (
            (ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file="/nowhere"), "http_basic_auth_user_file"),
            (ConductorConfig(auth_strategy="keystone"), "[keystone_authtoken]"),
            (ConductorConfig(auth_strategy="client_certificate"), "[api] client_certificates"),
        ):
            self.assertIn(word, str(self.assertRaises(ConfigurationError, add_authentication, application, config)))

    def test_without_authentication_only_this_machine_is_served(self) -> None:
        """Unless that is said twice: by the strategy, and by an option of its own."""
        everywhere = APIConfig(port=0, host_ip="0.0.0.0")
        server = HTTPServer(add_authentication(application, ConductorConfig(api=everywhere)), everywhere)
        self.assertIn("allow_noauth_on_public_interfaces", str(self.assertRaises(ConfigurationError, server.start)))
        meant = APIConfig(port=0, host_ip="0.0.0.0", allow_noauth_on_public_interfaces=True)
        server = HTTPServer(add_authentication(application, ConductorConfig(api=meant)), meant)
        server.start()
        self.assertTrue(server.stop(Deadline.after(10)))


class TestKeystone(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger())

    def test_a_token_that_keystone_knows_names_the_caller(self) -> None:
        """With project and roles; any other token, and none, is refused, and the client learns where to get one."""
        with keystone() as url:
            app = KeystoneAuth(application, _options(url))
            answer = call(app, HTTP_X_AUTH_TOKEN="good")
            self.assertEqual("user-1 project-1 ['member', 'reader']", answer.text)
            for token in ({"HTTP_X_AUTH_TOKEN": "bad"}, {}):
                answer = call(app, **token)
                self.assertEqual(401, answer.status_int)
                self.assertIn("Keystone uri=", answer.headers["WWW-Authenticate"])
        self.assertNotIn("not known", self.log.output)

    def test_headers_do_not_stand_in_for_a_token(self) -> None:
        """What keystonemiddleware writes, clients cannot."""
        spoofed = {"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_USER_ID": "admin", "HTTP_X_ROLES": "admin"}
        with keystone() as url:
            self.assertEqual(401, call(KeystoneAuth(application, _options(url)), **spoofed).status_int)

    def test_a_keystone_that_cannot_be_asked_is_away(self) -> None:
        """No catalogue says where it is: the client is told to come back, and the log why."""
        with keystone(_WithoutCatalogue) as url:
            answer = call(KeystoneAuth(application, _options(url)), HTTP_X_AUTH_TOKEN="good")
            self.assertEqual((503, "5"), (answer.status_int, answer.headers["Retry-After"]))
            self.assertIn("could not check the token", self.log.output)

    def test_a_keystone_that_was_never_there_says_nothing_of_tokens(self) -> None:
        """A client with a good token is not told to get another one, but to come back; then it is let in."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        app = KeystoneAuth(application, _options(f"http://127.0.0.1:{port}"))
        answer = call(app, HTTP_X_AUTH_TOKEN="good")
        self.assertEqual((503, "5"), (answer.status_int, answer.headers["Retry-After"]))
        self.assertEqual(401, call(app).status_int)
        with keystone(port=port):
            self.assertEqual(200, call(app, HTTP_X_AUTH_TOKEN="good").status_int)
        self.assertEqual(200, call(app, HTTP_X_AUTH_TOKEN="good").status_int)  # it was remembered

    def test_what_the_application_raises_is_not_taken_for_keystone_s(self) -> None:
        """The server makes one error of it, as of any other."""

        def broken(environ: object, start_response: object) -> list[bytes]:
            raise LookupError("a mistake")

        with keystone() as url:
            app = KeystoneAuth(broken, _options(url))
            self.assertRaises(LookupError, call, app, HTTP_X_AUTH_TOKEN="good")

    def test_what_is_public_does_not_ask_keystone(self) -> None:
        """Health is told also while Keystone is away."""
        app = KeystoneAuth(application, _options("http://127.0.0.1:9"))
        self.assertEqual("nobody", call(app, "/healthz", HTTP_X_AUTH_TOKEN="any").text)


class TestRecentTokens(TestCase):
    def test_what_was_said_of_a_token_has_an_end_and_a_bound(self) -> None:
        """In time and in number, so that nobody fills the memory with tokens."""
        clock = ManualClock()
        recent = TokenCache(max_tokens=2, clock=clock)
        for key in ("one", "two"):
            recent.set(key, key.upper(), time=10)
        self.assertEqual("ONE", recent.get("one"))
        recent.set("three", "THREE", time=20)
        self.assertEqual(["ONE", None, "THREE"], [recent.get(key) for key in ("one", "two", "three")])
        clock.turn(10)
        self.assertEqual([None, "THREE"], [recent.get(key) for key in ("one", "three")])


class TestAllowedRoles(TestCase):
    def test_a_valid_token_is_not_enough(self) -> None:
        """A role counts in the whole system and in the service's own project, and nowhere else."""
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

    def test_without_a_project_of_its_own_only_the_whole_system_counts(self) -> None:
        """Somebody without a project is not in the same one."""
        guarded = AllowedRoles(application, ["admin"], lambda: None)
        self.assertEqual(403, call(guarded, **{IDENTITY_KEY: Identity("a", None)}).status_int)


class TestLogin(TestCase):
    def test_who_logs_in_keeps_the_token(self) -> None:
        """Also while Keystone is away; one that was refused is given up."""
        with keystone() as url:
            login = KeystoneLogin(_options(url))
            self.assertEqual("ours", login.token(Deadline.after(10)))
            self.assertEqual("service", login.project_id(Deadline.after(10)))
        self.assertEqual("ours", login.token(Deadline.after(10)))
        login.forget("an older one")
        self.assertEqual("ours", login.token(Deadline.after(10)))
        login.forget("ours")
        self.assertRaises(Busy, login.token, Deadline.after(10))

    def test_a_keystone_that_is_away_is_asked_again_a_little_later(self) -> None:
        """In between nobody waits for it."""
        log = self.useFixture(FakeLogger())
        clock = ManualClock()
        with keystone() as url:
            pass
        login = KeystoneLogin(_options(url), clock=clock)
        for _ in range(2):
            error = self.assertRaises(Busy, login.token, Deadline.after(10))
            self.assertIsNotNone(error.retry_after)
        self.assertEqual(1, log.output.count("does not issue a token"))
        with keystone(port=int(url.rpartition(":")[2])):
            clock.turn(2)
            self.assertEqual("ours", login.token(Deadline.after(10)))

    def test_a_section_that_is_no_login_is_named(self) -> None:
        """At the start, with what is missing."""
        for options in ({}, {"auth_url": "http://127.0.0.1:9"}, {"auth_type": "nonsense", "auth_url": "http://127.0.0.1:9"}):
            error = self.assertRaises(ConfigurationError, KeystoneLogin, options, "rpc_callers")
            self.assertIn("[rpc_callers]", str(error))


def _options(url: str) -> dict[str, str]:
    return {
        "auth_url": url, "www_authenticate_uri": url, "auth_type": "password", "username": "us", "password": "ours",
        "project_name": "service", "user_domain_id": "default", "project_domain_id": "default", "http_request_max_retries": "0",
        "service_token_roles_required": "true",
    }  # fmt: skip


class _Keystone(BaseHTTPRequestHandler):
    """As much of Keystone's API v3 as checking a token needs."""

    interfaces: tuple[str, ...] = ("public", "internal", "admin")

    def do_GET(self) -> None:
        """Discovery, and what a token is."""
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
        """A token for the service itself."""
        self.rfile.read(int(self.headers["Content-Length"]))
        host = f"http://{self.headers['Host']}/v3"
        endpoints = [{"id": name, "interface": name, "region": "r", "region_id": "r", "url": host} for name in self.interfaces]
        catalog = [{"id": "1", "type": "identity", "name": "keystone", "endpoints": endpoints}] if endpoints else []
        self._answer(201, {"token": {**_token("service", "service"), "catalog": catalog}}, ("X-Subject-Token", "ours"))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, value: Any, *headers: tuple[str, str]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(content)))):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)


class _WithoutCatalogue(_Keystone):
    """Does not say where it is."""

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
    """A Keystone that knows the token ``good``; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", port), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
