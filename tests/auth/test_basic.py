"""HTTP basic authentication: who is let in, what it costs, and what becomes of those who guess."""

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
from tests.fixtures.callers import application, basic, call, hashed, write_users

PATIENCE = 10.0


class Checks:
    """Counts how often a password is really checked, and can hold that up."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password: bytes, stored: bytes) -> bool:
        self.count += 1
        self.begun.release()
        self.go_on.wait(PATIENCE)
        return bcrypt.checkpw(password, stored)


class BasicTestCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger())
        self.clock, self.checks = ManualClock(), Checks()
        self.path = write_users(Path(self.useFixture(TempDir()).path) / "htpasswd", alice="wonderland", bob="builder")
        self.users = UserFile(self.path, clock=self.clock)
        self.passwords = PasswordChecker(self.users, clock=self.clock, check=self.checks)
        self.app = BasicAuth(application, self.users, passwords=self.passwords, throttle=LoginThrottle(self.clock))

    def ask(self, user: str = "alice", password: str = "wonderland", **more: Any) -> Any:
        """The answer to a request with this user and password."""
        return call(self.app, authorization=basic(user, password), **more)


class TestWho(BasicTestCase):
    def test_a_user_of_the_file_is_let_in_by_name(self) -> None:
        """As an administrator: the file knows no roles."""
        self.assertEqual("alice None ['admin', 'member', 'reader']", self.ask().text)
        self.assertEqual("bob", self.ask("bob", "builder").text.split()[0])

    def test_others_are_asked_who_they_are(self) -> None:
        """401 with the realm that clients know, in their format; which of the two was wrong is not told."""
        answers = [call(self.app), self.ask("alice", "wrong"), self.ask("nobody", "wonderland"), self.ask("", "")]
        for answer in answers:
            self.assertEqual(401, answer.status_int)
            self.assertEqual('Basic realm="Baremetal API"', answer.headers["WWW-Authenticate"])
            self.assertIn("faultstring", json.loads(answer.json["error_message"]))
            self.assertIn("x-openstack-request-id", answer.headers)
        self.assertEqual(answers[1].json, answers[2].json)

    def test_a_header_that_is_no_basic_authentication_is_refused(self) -> None:
        """Whatever it is."""
        odd = base64.b64encode(b"\xff\xfe:\xff").decode()
        for header in ("", "Basic", "Basic !!!", "Bearer abc", f"Basic {odd}", basic("x" * 600, "y"), "Basic " + "A" * 100_000):
            self.assertEqual(401, call(self.app, authorization=header).status_int, header[:40])
        self.assertEqual(0, self.checks.count)

    def test_passwords_that_bcrypt_does_not_take_are_wrong(self) -> None:
        """Too long, or with a NUL: no error of the service."""
        for password in ("x" * 100, "a\0b"):
            self.assertEqual(401, self.ask("alice", password).status_int)

    def test_version_documents_and_health_are_public(self) -> None:
        """Clients look at them first, and whoever watches the service has no password; nothing beside them is."""
        for path in ("/", "/v1", "/v1/", "/healthz", "/readyz"):
            self.assertEqual("nobody", call(self.app, path).text)
        for path in ("/v1/nodes", "/nodes", "//", "/v1/.", "/healthz/", "/readyz/../v1/nodes", "/V1"):
            self.assertEqual(401, call(self.app, path).status_int, path)

    def test_nobody_names_themselves(self) -> None:
        """What a client puts into headers is no identity."""
        answer = call(self.app, "/v1", HTTP_BAREMETAL_SDK_IDENTITY="admin", HTTP_X_USER_ID="admin", REMOTE_USER="admin")
        self.assertEqual("nobody", answer.text)


class TestCost(BasicTestCase):
    def test_what_was_right_is_not_checked_again_for_a_minute(self) -> None:
        """bcrypt is slow on purpose; it is asked once, for each user and password."""
        for _ in range(10):
            self.assertEqual(200, self.ask().status_int)
        self.assertEqual(1, self.checks.count)
        self.assertEqual(401, self.ask("alice", "wonderlan").status_int)
        self.clock.turn(61)
        self.assertEqual(200, self.ask().status_int)
        self.assertEqual(3, self.checks.count)

    def test_no_password_is_kept(self) -> None:
        """What remembers that one was right does not have it, nor what it could be found out with elsewhere."""
        self.ask()
        kept = repr({name: value for name, value in vars(self.passwords).items() if name != "_users"})
        self.assertNotIn("wonderland", kept)
        self.assertNotIn("wonderland", self.log.output)

    def test_requests_at_the_same_time_are_one_check(self) -> None:
        """A client that begins with many requests does not cost many."""
        self.checks.go_on.clear()
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask().status_int)) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.assertTrue(self.checks.begun.acquire(timeout=PATIENCE))
        self.checks.go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(([200] * 8, 1), (answers, self.checks.count))

    def test_a_flood_of_guesses_is_turned_away_and_keeps_no_known_user_waiting(self) -> None:
        """A few are checked, a few wait, and the rest is told to come back; who was let in a moment ago still is."""
        self.assertEqual(200, self.ask().status_int)
        self.checks.go_on.clear()
        statuses: list[int] = []

        def guess(number: int) -> None:
            statuses.append(self.ask("bob", f"guess {number}", peer=f"192.0.2.{number}").status_int)

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            self.assertTrue(self.checks.begun.acquire(timeout=PATIENCE))
        deadline = Deadline.after(PATIENCE)
        while self.passwords.waiting < 8:
            deadline.check("eight callers to wait")
        refused = self.ask("bob", "one more", peer="192.0.2.99")
        self.assertEqual((503, "1"), (refused.status_int, refused.headers["Retry-After"]))
        self.assertEqual(200, self.ask().status_int)
        self.checks.go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual([401] * 8, statuses)

    def test_callers_with_one_password_do_not_take_all_threads(self) -> None:
        """Whoever waits for somebody else's check waits in a thread, too: some may, and the rest is told to come back."""
        self.checks.go_on.clear()
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
        self.checks.go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(([200] * 3, 1), (statuses, self.checks.count))

    def test_who_was_right_before_does_not_suffer_for_guesses_of_others(self) -> None:
        """Not for those from the same address, nor while so many are checked that no more can be; a wrong one is wrong."""
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
        self.checks.go_on.clear()
        while self.checks.begun.acquire(blocking=False):
            pass
        guessing = threading.Thread(target=self.ask, args=("bob", "guess"), kwargs={"peer": "192.0.2.9"})
        guessing.start()
        self.assertTrue(self.checks.begun.acquire(timeout=PATIENCE))
        self.assertEqual((200, 503), (self.ask().status_int, self.ask("bob", "builder").status_int))
        self.checks.go_on.set()
        guessing.join(PATIENCE)

    def test_an_unknown_user_costs_a_check_too(self) -> None:
        """How long an answer takes does not tell who is in the file."""
        self.ask("nobody", "x")
        self.assertEqual(1, self.checks.count)


class TestGuessing(BasicTestCase):
    def test_who_guesses_waits_longer_each_time(self) -> None:
        """For that user and from there alone: others, and the user elsewhere, go on."""
        for _ in range(5):
            self.assertEqual(401, self.ask("alice", "guess").status_int)
        answer = self.ask("alice", "guess")
        self.assertEqual((429, "1"), (answer.status_int, answer.headers["Retry-After"]))
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

    def test_a_right_password_ends_the_wait(self) -> None:
        """Whoever mistyped is not punished for it later."""
        for _ in range(4):
            self.ask("alice", "typo")
        self.assertEqual(200, self.ask().status_int)
        for _ in range(5):
            self.assertEqual(401, self.ask("alice", "typo").status_int)

    def test_one_address_cannot_guess_under_many_names(self) -> None:
        """It is counted as a whole, too; an IPv6 network is one address, and IPv4 inside IPv6 is IPv4."""
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

    def test_a_changed_file_holds_at_once(self) -> None:
        """Who was taken out is out, a new password is the only one, and nobody restarts anything."""
        self.assertEqual((200, 200), (self.ask().status_int, self.ask("bob", "builder").status_int))
        self._change(f"# the cast\n\nalice:{hashed('looking-glass')}\n")
        self.assertEqual(401, self.ask().status_int)
        self.assertEqual(200, self.ask("alice", "looking-glass").status_int)
        self.assertEqual(401, self.ask("bob", "builder").status_int)

    def test_a_file_that_cannot_be_used_changes_nothing(self) -> None:
        """It is said once, without what stands in it."""
        self._change("alice:plain-text-password\n")
        for _ in range(3):
            self.clock.turn(1.5)
            self.assertEqual(200, self.ask().status_int)
        self.assertEqual(1, self.log.output.count("its previous content stays valid"))
        self.assertNotIn("plain-text", self.log.output)

    def test_what_cannot_be_used_stops_the_start(self) -> None:
        """The error names file, line and what is allowed."""
        md5, costly = "alice:$apr1$abc$def", hashed("x").replace("$04$", "$31$")
        for text, word in (
            ("nonsense", "line 1"), (f"# x\n{md5}", "line 2"), (f"a:{costly}", "from 4 to 16"), 
            (f"a:{hashed('x')}\n" * 2, "has a line already"),
        ):  # fmt: skip
            self.path.write_text(text)
            error = str(self.assertRaises(ConfigurationError, UserFile, self.path))
            for expected in ("http_basic_auth_user_file", str(self.path), word):
                self.assertIn(expected, error)
        self.assertIn("cannot be read", str(self.assertRaises(ConfigurationError, UserFile, "/nowhere/htpasswd")))

    def test_a_file_that_everybody_can_read_is_said(self) -> None:
        """Hashes can be guessed at in peace by whoever has them."""
        self.path.chmod(0o644)
        UserFile(self.path)
        self.assertIn("all users of this machine can read", self.log.output)
