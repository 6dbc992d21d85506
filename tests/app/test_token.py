"""``metald token``, as an operator meets it."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests.app.service import metald


class TokenTest(TestCase):
    def test_a_token_is_made_listed_and_revoked(self) -> None:
        """It stands alone on standard output, once; a list has no token; a name that is not there is said."""
        state = ("--state-dir", str(Path(self.useFixture(TempDir()).path) / "state"))
        made = metald("token", "create", "ci", "--role", "operator", "--project", "red", "--days", "7", *state)
        self.assertEqual(0, made.returncode, made.stderr)
        token = made.stdout.strip()
        self.assertTrue(token.startswith("bmt_"))
        self.assertNotIn(token, made.stderr)
        listed = metald("token", "list", "--json", *state)
        [shown] = json.loads(listed.stdout)
        self.assertEqual(("ci", "operator", "red"), (shown["name"], shown["role"], shown["project"]))
        self.assertNotIn(token[37:], listed.stdout)
        self.assertEqual(1, metald("token", "create", "ci", "--role", "reader", *state).returncode)
        self.assertEqual(0, metald("token", "revoke", "ci", *state).returncode)
        again = metald("token", "revoke", "ci", *state)
        self.assertEqual(1, again.returncode)
        self.assertIn("ci was not found", again.stderr)
        self.assertEqual("", metald("token", "list", *state).stdout)
