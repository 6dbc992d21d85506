"""HTTP basic authentication: credentials, cost of checks, throttling, and the file of users."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any

import bcrypt
from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.auth import BasicAuth
from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.passwords import PasswordChecker
from baremetal_sdk.auth.throttle import LoginThrottle
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.testing import ManualClock
from tests.fixtures.callers import application, basic, call, hash_password, write_users

PATIENCE = 10.0


class CountingCheck:
    """Counts the bcrypt checks and can block them."""

    def __init__(self) -> None:
        self.count = 0
        self.started = threading.Semaphore(0)
        self.unblock = threading.Event()
        self.unblock.set()

    def __call__(self, password: bytes, stored: bytes) -> bool:
        self.count += 1
        self.started.release()
        self.unblock.wait(PATIENCE)
        return bcrypt.checkpw(password, stored)


class BasicTestCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger())
        self.clock, self.checks = ManualClock(), CountingCheck()
        self.path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="wonderland", bob="builder")
        self.users = UserFile(self.path, clock=self.clock)
        self.passwords = PasswordChecker(self.users, clock=self.clock, check=self.checks)
        self.app = BasicAuth(application, self.users, passwords=self.passwords, throttle=LoginThrottle(self.clock))

    def ask(self, user: str = "alice", password: str = "wonderland", **more: Any) -> Any:
        """Return the response to a request with this user and password."""
        return call(self.app, authorization=basic(user, password), **more)


class TestCredentials(BasicTestCase):
    def test_a_user_of_the_file_is_authenticated(self) -> None:
        """The user is an administrator, because the file has no roles."""
        self.assertEqual("alice None ['admin', 'member', 'reader']", self.ask().text)
        self.assertEqual("bob", self.ask("bob", "builder").text.split()[0])

    def test_invalid_credentials_get_status_401(self) -> None:
        """The response has the realm and the format that clients expect, and does not reveal whether the user exists."""
        answers = [call(self.app), self.ask("alice", "wrong"), self.ask("nobody", "wonderland"), self.ask("", "")]
        for answer in answers:
            self.assertEqual(401, answer.status_int)
            self.assertEqual('Basic realm="Baremetal API"', answer.headers["WWW-Authenticate"])
            self.assertIn("faultstring", json.loads(answer.json["error_message"]))
            self.assertIn("x-openstack-request-id", answer.headers)
        self.assertEqual(answers[1].json, answers[2].json)

    def test_an_invalid_header_gets_status_401(self) -> None:
        """No password check is made for it."""
        odd = base64.b64encode(b"\xff\xfe:\xff").decode()
        for header in ("", "Basic", "Basic !!!", "Bearer abc", f"Basic {odd}", basic("x" * 600, "y"), "Basic " + "A" * 100_000):
            self.assertEqual(401, call(self.app, authorization=header).status_int, header[:40])
        self.assertEqual(0, self.checks.count)

    def test_passwords_that_bcrypt_rejects_are_wrong(self) -> None:
        """A password that is too long or contains a NUL causes no internal error."""
        for password in ("x" * 100, "a\0b"):
            self.assertEqual(401, self.ask("alice", password).status_int)

    def test_version_documents_and_health_are_public(self) -> None:
        """Clients read versions first, and monitoring has no password. Similar paths are not public."""
        for path in ("/", "/v1", "/v1/", "/healthz", "/readyz"):
            self.assertEqual("nobody", call(self.app, path).text)
        for path in ("/v1/nodes", "/nodes", "//", "/v1/.", "/healthz/", "/readyz/../v1/nodes", "/V1"):
            self.assertEqual(401, call(self.app, path).status_int, path)

    def test_headers_cannot_set_the_identity(self) -> None:
        """Headers of clients and an existing REMOTE_USER are no identity."""
        answer = call(self.app, "/v1", HTTP_BAREMETAL_SDK_IDENTITY="admin", HTTP_X_USER_ID="admin", REMOTE_USER="admin")
        self.assertEqual("nobody", answer.text)


class TestCost(BasicTestCase):
    def test_a_valid_password_is_cached_for_a_minute(self) -> None:
        """bcrypt is slow by design, so it runs once per user and password."""
        for _ in range(10):
            self.assertEqual(200, self.ask().status_int)
        self.assertEqual(1, self.checks.count)
        self.assertEqual(401, self.ask("alice", "wonderlan").status_int)
        self.clock.turn(61)
        self.assertEqual(200, self.ask().status_int)
        self.assertEqual(3, self.checks.count)

    def test_no_password_is_stored(self) -> None:
        """Neither the cache nor the log contains it."""
        self.ask()
        kept = repr({name: value for name, value in vars(self.passwords).items() if name != "_users"})
        self.assertNotIn("wonderland", kept)
        self.assertNotIn("wonderland", self.log.output)

    def test_parallel_requests_share_one_check(self) -> None:
        """A client that starts with many requests causes one check."""
        self.checks.unblock.clear()
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask().status_int)) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.assertTrue(self.checks.started.acquire(timeout=PATIENCE))
        self.checks.unblock.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual([200] * 8, answers)
        self.assertEqual(1, self.checks.count)

    def test_a_flood_of_guesses_delays_no_known_user(self) -> None:
        """A few guesses are checked, a few wait, and the rest get status 503. A cached user is served meanwhile."""
        self.assertEqual(200, self.ask().status_int)
        self.checks.unblock.clear()
        statuses: list[int] = []

        def guess(number: int) -> None:
            statuses.append(self.ask("bob", f"guess {number}", peer=f"192.0.2.{number}").status_int)

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            self.assertTrue(self.checks.started.acquire(timeout=PATIENCE))
        deadline = Deadline.after(PATIENCE)
        while self.passwords.waiting < 8:
            deadline.check("eight callers to wait")
        refused = self.ask("bob", "one more", peer="192.0.2.99")
        self.assertEqual(503, refused.status_int)
        self.assertEqual("1", refused.headers["Retry-After"])
        self.assertEqual(200, self.ask().status_int)
        self.checks.unblock.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual([401] * 8, statuses)

    def test_callers_that_share_a_check_do_not_hold_all_threads(self) -> None:
        """Each waiting caller holds a thread, so their number is limited. The rest get status 503."""
        self.checks.unblock.clear()
        statuses: list[int] = []
        passwords = PasswordChecker(self.users, max_waiting=3, clock=self.clock, check=self.checks)
        self.app = BasicAuth(application, self.users, passwords=passwords, throttle=LoginThrottle(self.clock))
        threads = [threading.Thread(target=lambda: statuses.append(self.ask().status_int)) for _ in range(3)]
        for thread in threads:
            thread.start()
        deadline = Deadline.after(PATIENCE)
        while passwords.waiting < 3:
            deadline.check("three callers to wait")
        self.assertEqual(503, self.ask().status_int)
        self.checks.unblock.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual([200] * 3, statuses)
        self.assertEqual(1, self.checks.count)

    def test_a_user_known_before_is_not_locked_out_by_guesses(self) -> None:
        """Neither guesses from the same address nor a flood of checks lock out the user. A wrong password is still wrong."""
        passwords = PasswordChecker(self.users, max_waiting=1, clock=self.clock, check=self.checks)
        self.app = BasicAuth(application, self.users, passwords=passwords, throttle=LoginThrottle(self.clock))
        self.assertEqual(200, self.ask().status_int)
        for _ in range(6):
            self.ask("alice", "guess")
        self.clock.turn(61)
        self.assertEqual(401, self.ask("alice", "guess").status_int)
        self.assertEqual(429, self.ask("alice", "guess").status_int)
        self.assertEqual(200, self.ask().status_int)
        self.clock.turn(61)
        self.checks.unblock.clear()
        while self.checks.started.acquire(blocking=False):
            pass
        guessing = threading.Thread(target=self.ask, args=("bob", "guess"), kwargs={"peer": "192.0.2.9"})
        guessing.start()
        self.assertTrue(self.checks.started.acquire(timeout=PATIENCE))
        self.assertEqual(200, self.ask().status_int)
        self.assertEqual(503, self.ask("bob", "builder").status_int)
        self.checks.unblock.set()
        guessing.join(PATIENCE)

    def test_an_unknown_user_costs_a_check(self) -> None:
        """The time of a response does not reveal which users exist."""
        self.ask("nobody", "x")
        self.assertEqual(1, self.checks.count)


class TestThrottling(BasicTestCase):
    def test_the_wait_after_failures_grows(self) -> None:
        """It applies to this user at this address only. Other users, and the user at other addresses, are not affected."""
        for _ in range(5):
            self.assertEqual(401, self.ask("alice", "guess").status_int)
        answer = self.ask("alice", "guess")
        self.assertEqual(429, answer.status_int)
        self.assertEqual("1", answer.headers["Retry-After"])
        checked = self.checks.count
        self.assertEqual(429, self.ask("alice", "wonderland").status_int)
        self.assertEqual(checked, self.checks.count)
        self.assertEqual(200, self.ask("bob", "builder").status_int)
        self.assertEqual(200, self.ask(peer="192.0.2.2").status_int)
        self.clock.turn(1.1)
        self.assertEqual(401, self.ask("bob", "wrong", peer="192.0.2.3").status_int)
        self.assertEqual(401, self.ask("alice", "guess").status_int)
        self.clock.turn(1.1)
        self.assertEqual(429, self.ask("alice", "guess").status_int)

    def test_a_valid_password_resets_the_failures(self) -> None:
        """Earlier typing errors do not count any more."""
        for _ in range(4):
            self.ask("alice", "typo")
        self.assertEqual(200, self.ask().status_int)
        for _ in range(5):
            self.assertEqual(401, self.ask("alice", "typo").status_int)

    def test_one_address_cannot_guess_with_many_user_names(self) -> None:
        """All failures of an address are counted. An IPv6 network counts as one address, and IPv4-mapped addresses as IPv4."""
        for number in range(20):
            self.ask(f"user{number}", "guess", peer=f"2001:db8::{number:x}")
        self.assertEqual(429, self.ask("carol", "guess", peer="2001:db8::ffff").status_int)
        self.assertEqual(401, self.ask("carol", "guess", peer="2001:db8:0:1::1").status_int)
        for number in range(20):
            self.ask(f"user{number}", "guess", peer="::ffff:192.0.2.1")
        self.assertEqual(429, self.ask("carol", "guess", peer="192.0.2.1").status_int)
        self.assertEqual(401, self.ask("carol", "guess", peer="::ffff:192.0.2.2").status_int)


class TestFile(BasicTestCase):
    def _change(self, text: str) -> None:
        self.path.write_text(text)
        os.utime(self.path, ns=(1, os.stat(self.path).st_mtime_ns + 1_000_000))
        self.clock.turn(1.5)

    def test_a_changed_file_applies_without_a_restart(self) -> None:
        """Removed users are rejected, and only the new password of a user is valid."""
        self.assertEqual(200, self.ask().status_int)
        self.assertEqual(200, self.ask("bob", "builder").status_int)
        self._change(f"# the cast\n\nalice:{hash_password('looking-glass')}\n")
        self.assertEqual(401, self.ask().status_int)
        self.assertEqual(200, self.ask("alice", "looking-glass").status_int)
        self.assertEqual(401, self.ask("bob", "builder").status_int)

    def test_an_invalid_change_keeps_the_old_users(self) -> None:
        """The error is logged once, without the content of the file."""
        self._change("alice:plain-text-password\n")
        for _ in range(3):
            self.clock.turn(1.5)
            self.assertEqual(200, self.ask().status_int)
        self.assertEqual(1, self.log.output.count("its previous content stays valid"))
        self.assertNotIn("plain-text", self.log.output)

    def test_an_invalid_file_prevents_the_start(self) -> None:
        """The error names file, line and the allowed form."""
        md5, costly = "alice:$apr1$abc$def", hash_password("x").replace("$04$", "$31$")
        for text, word in (
            ("nonsense", "line 1"), (f"# x\n{md5}", "line 2"), (f"a:{costly}", "from 4 to 16"), 
            (f"a:{hash_password('x')}\n" * 2, "has a line already"),
        ):  # fmt: skip
            self.path.write_text(text)
            error = str(self.assertRaises(ConfigurationError, UserFile, self.path))
            for expected in ("http_basic_auth_user_file", str(self.path), word):
                self.assertIn(expected, error)
        self.assertIn("cannot be read", str(self.assertRaises(ConfigurationError, UserFile, "/nowhere/htpasswd")))

    def test_a_world_readable_file_is_logged(self) -> None:
        """Anyone with the hashes can guess passwords offline."""
        self.path.chmod(0o644)
        UserFile(self.path)
        self.assertIn("all users of this machine can read", self.log.output)
