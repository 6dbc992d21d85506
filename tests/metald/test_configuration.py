"""``metald check-config``, ``sample-config`` and ``db``, without a service and while one runs."""

from __future__ import annotations

import os
import sqlite3
import stat
import unittest
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk.config import ConductorConfig, find_unknown_options, list_known_options, read_sections
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.secrets import FernetBox
from baremetal_sdk.store.sql.backup import back_up
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.metald_service import metald
from tests.fixtures.stores import SERVER_URL, new_prefix, new_uuid


class FilesCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.file = self.directory / "metald.conf"

    def check(self, text: str, part: str = "conductor") -> tuple[int, str]:
        """Check a configuration file and return exit code and standard output."""
        self.file.write_text(text, encoding="ascii")
        ended = metald("check-config", "--part", part, "--config-file", str(self.file))
        self.assertEqual("", ended.stderr)
        return ended.returncode, ended.stdout


class TestCheckConfig(FilesCase):
    def test_all_problems_are_reported_together(self) -> None:
        """Each line names section and option, states problem and remedy, and contains no password."""
        code, output = self.check(
            "[DEFAULT]\nrpc_transport = oslo\nauth_strategy = http_basic\nhttp_basic_auth_user_file = /none\n"
            "[api]\nenable_ssl_api = true\ncert_file = /none.pem\n[json_rpc]\npasword = tiger\n"
            "[conductor]\nlease_duration = 5\nheartbeat_interval = 60\n"
        )
        self.assertEqual(2, code)
        for option in (
            "[DEFAULT] transport_url", "[database] connection", "[database] secret_key_file", "[api] cert_file",
            "[api] enable_ssl_api", "[DEFAULT] http_basic_auth_user_file", "[conductor] heartbeat_interval",
        ):  # fmt: skip
            self.assertIn(f"wrong  {option}: ", output)
        self.assertIn("[json_rpc] pasword is not an option of metald and is ignored; did you mean password?", output)
        self.assertNotIn("tiger", output)

    def test_an_incomplete_keystone_login_is_reported(self) -> None:
        """Each section that Keystone authentication uses needs ``auth_type`` and ``auth_url``."""
        text = "[DEFAULT]\nrpc_transport = json-rpc\n[json_rpc]\nauth_strategy = keystone\nauth_section = callers\n"
        text += "[callers]\nauth_type = password\nauth_url = http://127.0.0.1/v3\npassword = tiger\n"
        code, output = self.check(text)
        self.assertEqual(2, code)
        for option in ("auth_type", "auth_url"):
            self.assertIn(f"wrong  [keystone_authtoken] {option}: ", output)
            self.assertNotIn("[callers]", output)
            self.assertNotIn("tiger", output)
        self.file.chmod(0o644)
        self.assertIn("contains passwords", self.check(text)[1])

    def test_an_invalid_value_is_reported(self) -> None:
        """The report of an invalid value names file, section and option."""
        code, output = self.check("[api]\nport = many\n", "serve")
        self.assertEqual(2, code)
        self.assertIn(f"{self.file}: [api] port", output)

    def test_a_valid_configuration_is_reported(self) -> None:
        """The exit code of a valid configuration is 0, even with remarks."""
        self.assertEqual(0, self.check("", "serve")[0])
        code, output = self.check(
            "[DEFAULT]\nrpc_transport = json-rpc\n[database]\nconnection = sqlite:////tmp/x\nsecret_key_file = /tmp/key\n"
        )
        self.assertEqual(0, code)
        self.assertIn("ok     metald conductor can be started", output)


class TestSample(FilesCase):
    def test_every_option_is_in_the_sample_with_its_default(self) -> None:
        """Each option has a description, its unit and advice on when to change it. The sample changes nothing."""
        text = metald("sample-config").stdout
        self.file.write_text(text, encoding="utf-8")
        self.assertEqual(ConductorConfig(), ConductorConfig.load(self.file))
        self.file.write_text(
            "\n".join(line.removeprefix("#") for line in text.splitlines() if not line.startswith("# ")), encoding="utf-8"
        )
        found = read_sections([self.file])
        for section, options in list_known_options().items():
            self.assertEqual(set(), options - set(found[section]), section)
        self.assertEqual([], find_unknown_options([self.file]))
        self.assertEqual(text.count("\n#"), text.count("\n# ") + sum(len(options) for options in found.values()))
        self.assertEqual(sum(len(options) for options in found.values()), text.replace("\n# ", " ").count("Change it "))


class TestDatabase(FilesCase):
    def db(self, *arguments: str) -> tuple[int, str]:
        ended = metald("db", arguments[0], "--state-dir", str(self.directory), *arguments[1:])
        return ended.returncode, ended.stdout + ended.stderr

    def test_a_database_is_upgraded_checked_and_backed_up(self) -> None:
        """``check`` fails until ``upgrade`` has run. A backup has the data and is readable by its owner only."""
        FernetBox(self.directory / "secret.key")
        # A store without the key is at the revision before the encryption of secrets, as one of an earlier release.
        earlier = SQLStore(f"sqlite:///{self.directory}/metald.sqlite")
        earlier.open()
        earlier.close()
        self.assertEqual(1, self.db("check")[0])
        self.assertEqual(0, self.db("upgrade")[0])
        self.assertEqual(0, self.db("check")[0])
        store = SQLStore(f"sqlite:///{self.directory}/metald.sqlite")
        store.open()
        self.addCleanup(store.close)
        store.create_node(NodeRecord(uuid=new_uuid(), name="kept"), fence=None)
        copy = self.directory / "copy.sqlite"
        self.assertEqual(0, self.db("backup", str(copy))[0])
        self.assertEqual(0o600, stat.S_IMODE(os.stat(copy).st_mode))
        with sqlite3.connect(copy) as connection:
            self.assertEqual([("kept",)], connection.execute("SELECT name FROM bm_nodes").fetchall())
        connection.close()
        code, output = self.db("backup", str(copy))
        self.assertEqual(2, code)
        self.assertIn("already exists", output)


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class TestServerBackup(FilesCase):
    def create_node(self, prefix: str) -> str:
        """Create tables whose names begin with *prefix*, and return the UUID of a node in them."""
        store = SQLStore(SERVER_URL, table_prefix=prefix)
        store.open()
        self.addCleanup(store.close)
        uuid = new_uuid()
        store.create_node(NodeRecord(uuid=uuid), fence=None)
        return uuid

    def test_a_server_database_is_backed_up(self) -> None:
        """The database server's own tool writes an SQL script with the tables of one service, and not those of another."""
        prefix = new_prefix()
        uuid, foreign = self.create_node(prefix), self.create_node(new_prefix())
        copy = self.directory / "copy.sql"
        back_up(SERVER_URL, copy, table_prefix=prefix)
        script = copy.read_text(encoding="utf-8")
        self.assertIn(uuid, script)
        self.assertNotIn(foreign, script)
        self.assertRegex(script, rf"(?i)create table \S*{prefix}alembic_version")

    def test_a_database_without_tables_is_no_backup(self) -> None:
        """A backup of a database without tables of the service fails and leaves no file."""
        copy = self.directory / "copy.sql"
        with self.assertRaisesRegex(ConfigurationError, "has no table absent_"):
            back_up(SERVER_URL, copy, table_prefix="absent_")
        self.assertEqual([], list(self.directory.iterdir()))


class TestGuide(FilesCase):
    def test_the_example_of_the_guide_is_valid_for_all_parts(self) -> None:
        """With its files in place, the example has no problem, and neither has its variant with the commented lines."""
        guide = Path(__file__).parents[2] / "doc" / "source" / "operator" / "metald.conf"
        text = guide.read_text(encoding="ascii").replace("/etc/metald", str(self.directory))
        for name in ("htpasswd", "htpasswd-rpc"):
            (self.directory / name).write_text("", encoding="ascii")
        oslo = text.replace("rpc_transport = json-rpc", "").replace("#rpc_transport", "rpc_transport")
        oslo = oslo.replace("#transport_url", "transport_url").replace("#backend_url", "backend_url")
        for variant in (text, oslo):
            for part in ("api", "conductor"):
                code, output = self.check(variant, part)
                self.assertEqual(0, code, output)
                self.assertNotIn("not an option", output)
