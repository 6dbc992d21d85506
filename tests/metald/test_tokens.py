"""The command ``metald token``."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk.store import open_store
from tests.fixtures.metald_service import metald


class TokenTest(TestCase):
    def test_a_token_is_created_listed_and_revoked(self) -> None:
        """Only ``create`` prints the token, alone on standard output. Revoking an unknown name is an error."""
        directory = Path(self.useFixture(TempDir()).path)
        open_store(f"sqlite:///{directory / 'metald.sqlite'}").close()
        state = ("--state-dir", str(directory))
        created = metald("token", "create", "ci", "--role", "operator", "--project", "red", "--days", "7", *state)
        self.assertEqual(0, created.returncode, created.stderr)
        token = created.stdout.strip()
        self.assertTrue(token.startswith("bmt_"))
        self.assertNotIn(token, created.stderr)
        listed = metald("token", "list", "--json", *state)
        [record] = json.loads(listed.stdout)
        self.assertEqual(("ci", "operator", "red"), (record["name"], record["role"], record["project"]))
        self.assertNotIn(token[37:], listed.stdout)
        self.assertEqual(1, metald("token", "create", "ci", "--role", "reader", *state).returncode)
        self.assertEqual(0, metald("token", "revoke", "ci", *state).returncode)
        again = metald("token", "revoke", "ci", *state)
        self.assertEqual(1, again.returncode)
        self.assertIn("ci was not found", again.stderr)
        self.assertEqual("", metald("token", "list", *state).stdout)
