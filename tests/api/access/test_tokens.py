"""Tokens for machines."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase
from webob import Request, Response

from baremetal_interfaces import InvalidInput, NotFound
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.auth import TokenAuth, Tokens
from baremetal_sdk.config import APIConfig, ConductorConfig, EventsConfig
from baremetal_sdk.errors import DuplicateName
from baremetal_sdk.store import MemoryStore, Query, TokenRecord
from baremetal_sdk.testing import ManualClock
from tests.fixtures.api import FakeConductor
from tests.fixtures.callers import application, basic, call, write_users


class TestTokens(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.ready = True
        self.tokens = Tokens(self.store, self.clock)
        self.app = TokenAuth(application, lambda environ, start: Response("others")(environ, start), self)

    def bearer(self, token: str, path: str = "/v1/nodes") -> Response:
        """Return the response to a request with a token."""
        return call(self.app, path, f"Bearer {token}")

    def test_token_gives_its_role_and_project(self) -> None:
        """A token works in either header. Requests without a token of ours go to the other authentication."""
        _, system = self.tokens.create("ci", "reader", days=1)
        _, token = self.tokens.create("red-ci", "operator", days=1, project="red")
        self.assertEqual("token:ci None ['reader']", self.bearer(system).text)
        self.assertEqual("token:red-ci red ['operator']", self.bearer(token).text)
        self.assertEqual("token:ci None ['reader']", call(self.app, HTTP_X_AUTH_TOKEN=system).text)
        self.assertEqual("others", call(self.app).text)
        self.assertEqual("others", call(self.app, HTTP_X_AUTH_TOKEN="gAAAA").text)
        self.assertEqual("others", call(self.app, "/v1/nodes", basic("a", "b")).text)

    def test_token_ends(self) -> None:
        """A token is refused from its expiry on, and after its revocation by name or UUID."""
        for number, ident in enumerate(("name", "uuid")):
            record, token = self.tokens.create(f"t{number}", "admin", days=2)
            self.assertEqual(self.clock.now() + timedelta(days=2), record.expires_at)
            self.assertEqual(200, self.bearer(token).status_int)
            self.tokens.revoke(getattr(record, ident))
            self.assertEqual(401, self.bearer(token).status_int)
            self.assertRaises(NotFound, self.tokens.revoke, record.name)
        _, token = self.tokens.create("t", "admin", days=2)
        self.clock.turn(2 * 86400 - 1)
        self.assertEqual(200, self.bearer(token).status_int)
        self.clock.turn(1)
        self.assertEqual(401, self.bearer(token).status_int)
        self.assertEqual(["t"], [record.name for record in self.tokens.list_all()])

    def test_invalid_token_is_refused(self) -> None:
        """A wrong secret, an unknown UUID and other text get 401 with WWW-Authenticate."""
        record, token = self.tokens.create("ci", "admin", days=1)
        other = self.tokens.create("other", "admin", days=1)[1]
        mixed = token[:37] + other[37:]
        for invalid in (mixed, token[:-1], token + "x", token.upper(), "bmt_", "", "x" * 5000, f"bmt_{'0' * 32}_{'a' * 43}"):
            response = self.bearer(invalid)
            self.assertEqual(401, response.status_int, invalid)
            self.assertIn("Bearer", response.headers["WWW-Authenticate"])
            self.assertNotIn(record.name, response.text)

    def test_token_is_not_stored(self) -> None:
        """The store has only a digest of the token, and no repr shows it."""
        record, token = self.tokens.create("ci", "admin", days=1)
        [row] = self.store.records(TokenRecord, Query())
        for text in (repr(dict(row)), repr(record)):
            self.assertNotIn(token[37:], text)
        self.assertNotIn("digest", repr(record))
        self.assertEqual(32, len(record.digest))

    def test_invalid_new_token_is_refused(self) -> None:
        """The error names all invalid fields. Names are unique."""
        error = self.assertRaises(InvalidInput, self.tokens.create, "a b", "root", days=0, project=" ")
        self.assertEqual(["name", "role", "days", "project"], [problem.field for problem in error.problems])
        self.tokens.create("ci", "admin", days=1)
        self.assertRaises(DuplicateName, self.tokens.create, "ci", "reader", days=1)

    def test_token_before_the_start_gets_503(self) -> None:
        """Before the store is ready, a token gets 503 with Retry-After and not 401."""
        _, token = self.tokens.create("ci", "admin", days=1)
        self.ready = False
        response = self.bearer(token)
        self.assertEqual(503, response.status_int)
        self.assertEqual("1", response.headers["Retry-After"])


class TestPublicRoutes(TestCase):
    def test_public_routes_need_no_credentials(self) -> None:
        """Version documents, health checks and requests of agents are public, with and without the version in the path."""
        directory = Path(self.useFixture(TempDir()).path)
        conductor = FakeConductor()
        users = str(write_users(directory / "htpasswd", alice="a"))
        conductor.config = ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file=users)
        app = bare_metal_api(conductor)
        for method, path, is_public in (
            ("GET", "/", True),
            ("GET", "/v1/", True),
            ("GET", "/readyz", True),
            ("GET", "/v1/lookup?addresses=", True),
            ("GET", "/lookup?addresses=", True),
            ("POST", "/v1/heartbeat/x", True),
            ("POST", "/v1/continue_inspection", True),
            ("DELETE", "/v1/heartbeat/x", False),
            ("GET", "/v1/nodes", False),
            ("GET", "/nodes", False),
            ("GET", "/v1/lookup/../nodes", False),
            ("GET", "/v1/nothing", False),
        ):
            request = Request.blank(path, method=method, headers={"X-OpenStack-Ironic-API-Version": "1.90"})
            status = request.get_response(app).status_int
            self.assertEqual(is_public, status != 401, (method, path, status))


class TestUsersAndTokens(TestCase):
    def test_users_and_tokens_have_their_roles(self) -> None:
        """On one API, a user has the role from the file and a token the role of the token."""
        directory = Path(self.useFixture(TempDir()).path)
        users = write_users(directory / "htpasswd", alice="a", bob="b", eve="e")
        (directory / "roles").write_text("alice: admin\nbob: reader\n")
        conductor = FakeConductor()
        conductor.config = ConductorConfig(
            auth_strategy="http_basic",
            http_basic_auth_user_file=str(users),
            api=APIConfig(roles_file=str(directory / "roles")),
        )
        app = bare_metal_api(conductor)
        token = "Bearer " + Tokens(conductor.store, conductor.clock).create("ci", "operator", days=1)[1]
        for credentials, read_status, create_status in (
            (basic("alice", "a"), 200, 201),
            (basic("bob", "b"), 200, 403),
            (basic("eve", "e"), 403, 403),
            (token, 200, 403),
            ("Bearer bmt_x", 401, 401),
        ):
            headers = {"Authorization": credentials, "Content-Type": "application/json"}
            made = Request.blank("/v1/nodes", method="POST", headers=headers, body=b'{"driver": "fake-hardware"}')
            made.headers["X-OpenStack-Ironic-API-Version"] = "1.80"
            self.assertEqual(create_status, made.get_response(app).status_int, credentials)
            self.assertEqual(read_status, call(app, "/v1/nodes", credentials).status_int, credentials)


class EndRecorder:
    """Stream writer that records the end of the response."""

    pending_bytes = 0

    def __init__(self) -> None:
        self.ended = threading.Event()

    def push(self, data: bytes) -> None:
        """Drop the data."""

    def end(self) -> None:
        """Record the end."""
        self.ended.set()


class TestRevocation(TestCase):
    """An event stream ends when its client could no longer open it."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.users = write_users(self.directory / "htpasswd", alice="a", bob="b")
        self.roles = self.directory / "roles"
        self.roles.write_text("alice: admin\nbob: reader\n")
        self.conductor = FakeConductor(events=EventsConfig(max_stream_age=600, poll_interval=0.05))
        self.conductor.config = ConductorConfig(
            auth_strategy="http_basic",
            http_basic_auth_user_file=str(self.users),
            api=APIConfig(roles_file=str(self.roles)),
            events=self.conductor.config.events,
        )
        self.app = bare_metal_api(self.conductor)

    def follow(self, credentials: str) -> EndRecorder:
        """Open an event stream and return the recorder of its end."""
        headers = {"Authorization": credentials, "X-OpenStack-Ironic-API-Version": "1.90"}
        response = Request.blank("/v1/events/stream", headers=headers).get_response(self.app)
        self.assertEqual(200, response.status_int, credentials)
        recorder = EndRecorder()
        response.app_iter.on_start(recorder)
        self.addCleanup(response.app_iter.on_end, "left")
        return recorder

    def test_revoked_and_expired_tokens_end_their_streams(self) -> None:
        """Revocation by another process is noticed, too. Streams of other tokens go on."""
        tokens = Tokens(self.conductor.store, self.conductor.clock)
        revoked, kept = (self.follow("Bearer " + tokens.create(name, "reader", days=1)[1]) for name in ("revoked", "kept"))
        record, text = tokens.create("expired", "reader", days=1)
        expired = self.follow("Bearer " + text)
        tokens.revoke("revoked")
        self.assertTrue(revoked.ended.wait(30))
        past = self.conductor.clock.now() - timedelta(seconds=1)
        self.conductor.store.delete_record(TokenRecord, record.uuid)
        self.conductor.store.create_record(dataclasses.replace(record, expires_at=past))
        self.assertTrue(expired.ended.wait(30))
        self.assertFalse(kept.ended.is_set())

    def test_changed_roles_and_users_end_their_streams(self) -> None:
        """A role that is taken away, and a user who is removed, end the streams of that user only."""
        alice, bob = self.follow(basic("alice", "a")), self.follow(basic("bob", "b"))
        self.roles.write_text("alice: reader\nbob: reader\n#\n")
        self.assertTrue(alice.ended.wait(30))
        self.assertFalse(bob.ended.is_set())
        write_users(self.users, alice="a")
        self.assertTrue(bob.ended.wait(30))
