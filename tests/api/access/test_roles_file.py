"""The roles file."""

from __future__ import annotations

import os
from pathlib import Path

from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_sdk.auth import IDENTITY_KEY, Identity, RolesFile, RolesMiddleware
from baremetal_sdk.auth.roles_file import RoleGrant
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.testing import ManualClock
from tests.fixtures.callers import application, call


class TestRolesFile(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.useFixture(TempDir()).path) / "roles"
        self.clock = ManualClock()

    def roles(self, text: str) -> RolesFile:
        self.path.write_text(text)
        return RolesFile(self.path, clock=self.clock)

    def test_line_grants_a_role(self) -> None:
        """A line grants a role in the whole system or in a project. The line of * is for users without a line."""
        roles = self.roles("# who may\n\nalice: admin\nbob :operator red\nnode agent 7: reader\n")
        self.assertEqual(RoleGrant("admin"), roles.get_grant("alice"))
        self.assertEqual(RoleGrant("operator", "red"), roles.get_grant("bob"))
        self.assertEqual(RoleGrant("reader"), roles.get_grant("node agent 7"))
        self.assertIsNone(roles.get_grant("eve"))
        self.assertEqual(RoleGrant("reader"), self.roles("*: reader\n").get_grant("eve"))

    def test_invalid_line_is_reported(self) -> None:
        """The error names the line. A user with two lines and a missing file are errors, too."""
        for text in ("alice: root", "alice admin", ": admin", "alice: admin a b", "\nalice: admin\nalice: reader"):
            error = str(self.assertRaises(ConfigurationError, self.roles, text))
            self.assertIn("[api] roles_file", error)
            self.assertIn(" line ", error)
        self.assertIn("cannot be read", str(self.assertRaises(ConfigurationError, RolesFile, "/nowhere/roles")))

    def test_changed_file_is_read_again(self) -> None:
        """A valid change takes effect within seconds. An invalid one is logged and has no effect."""
        log, roles = self.useFixture(FakeLogger()), self.roles("alice: admin\n")
        for text, expected in (
            ("alice: reader blue\n", RoleGrant("reader", "blue")),
            ("nonsense\n", RoleGrant("reader", "blue")),
        ):
            self.path.write_text(text)
            os.utime(self.path, ns=(0, len(text)))
            self.clock.turn(2)
            self.assertEqual(expected, roles.get_grant("alice"))
        self.assertIn("line 1", log.output)

    def test_file_replaces_the_roles_of_the_identity(self) -> None:
        """Only the file grants roles. The scope that authentication set has no effect."""
        app = RolesMiddleware(application, self.roles("alice: operator red\n"))
        for user, expected in (("alice", "alice red ['operator']"), ("eve", "eve None []")):
            environ = {IDENTITY_KEY: Identity(user, is_system=True)}
            self.assertEqual(expected, call(app, **environ).text)
        self.assertEqual("nobody", call(app).text)
