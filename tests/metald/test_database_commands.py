"""Commands beside a service: they use its existing database, name it, and create nothing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk.store import open_store
from tests.fixtures.metald_service import Service, metald

COMMANDS = (
    ("token", "create", "ci", "--role", "reader"),
    ("db", "check"),
    ("db", "upgrade"),
    ("db", "backup", "copy"),
    ("doctor",),
)
INFO = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2"}


class DatabaseCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = self.directory / "state"


class MissingDatabaseTest(DatabaseCase):
    def test_no_command_creates_a_database_a_directory_or_a_key(self) -> None:
        """With a wrong state directory, each command names the database that it expected and leaves nothing behind."""
        for command in COMMANDS:
            done = metald(*command, "--state-dir", str(self.state))
            self.assertIn(str(self.state / "metald.sqlite"), done.stdout + done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            if command != ("doctor",):  # a missing database is a warning before the first start
                self.assertNotEqual(0, done.returncode, command)
            self.assertEqual([], os.listdir(self.directory), command)

    def test_empty_database_and_older_schema_are_not_changed(self) -> None:
        """A token needs the tables of this release. The command neither creates nor upgrades them."""
        self.state.mkdir()
        file = self.state / "metald.sqlite"
        sqlite3.connect(file).execute("CREATE TABLE other (id INTEGER)").connection.close()
        self.assertIn("no tables of the service", metald("token", "list", "--state-dir", str(self.state)).stderr)
        file.unlink()
        open_store(f"sqlite:///{file}").close()
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE bm_alembic_version SET version_num = '0004'")
        connection.close()
        self.assertIn("older schema 0004", metald("token", "list", "--state-dir", str(self.state)).stderr)

    def test_upgrade_creates_a_database_that_is_named(self) -> None:
        """``db upgrade`` prepares the database of ``[database] connection`` before the first start."""
        config = self.directory / "metald.conf"
        config.write_text(f"[database]\nconnection = sqlite:///{self.directory / 'nodes.sqlite'}\n", encoding="utf-8")
        done = metald("db", "upgrade", "--config-file", str(config))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("nodes.sqlite", done.stdout)


class IronicDatabaseTest(DatabaseCase):
    def test_database_of_ironic_is_refused_and_unchanged(self) -> None:
        """No command and no service builds its tables in the database of Ironic."""
        file = self.directory / "ironic.sqlite"
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
            connection.execute("CREATE TABLE nodes (id INTEGER, uuid VARCHAR(36), provision_state VARCHAR(15))")
        connection.close()
        before = file.read_bytes()
        config = self.directory / "metald.conf"
        config.write_text(f"[database]\nconnection = sqlite:///{file}\n", encoding="utf-8")
        for command in (("serve", "--port", "0", "--state-dir", str(self.state)), ("db", "upgrade")):
            done = metald(*command, "--config-file", str(config))
            self.assertEqual(2, done.returncode, command)
            self.assertIn("is the database of Ironic", done.stderr)
        self.assertIn("is the database of Ironic", metald("db", "check", "--config-file", str(config)).stdout)
        self.assertEqual(before, file.read_bytes())
        self.assertFalse((self.state / "secret.key").exists())


class KeyTest(DatabaseCase):
    def test_service_without_the_right_key_does_not_start(self) -> None:
        """One line names the key file and the number of affected nodes, and no key is created. ``db check`` says the same."""
        service = self.useFixture(Service(state=self.state))
        service.client.create_node({"name": "m1", "driver": "redfish", "driver_info": INFO})
        service.child.stop()
        key = self.state / "secret.key"
        key.unlink()
        pattern = r"secret_key_file: .*secret.key cannot be used.*No such file.*secrets of 1 node.*restore"
        refused = metald("serve", "--port", "0", "--state-dir", str(self.state))
        self.assertEqual(2, refused.returncode)
        self.assertRegex(refused.stderr.splitlines()[-1], f"^metald: .*{pattern}")
        self.assertNotIn("Traceback", refused.stderr)
        checked = metald("db", "check", "--state-dir", str(self.state))
        self.assertEqual(1, checked.returncode)
        self.assertRegex(checked.stdout, pattern)
        self.assertFalse(key.exists())
