"""``metald check-config``, ``sample-config`` and ``db``: before a service runs, and beside one that runs."""

from __future__ import annotations

import os
import sqlite3
import stat
import unittest
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_sdk.config import ConductorConfig, known_options, read_sections, unknown_options
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.backup import back_up
from baremetal_sdk.store.sql import SQLStore
from tests.app.service import metald
from tests.store.fixture import SERVER_URL, new_prefix, new_uuid


class FilesCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.file = self.directory / "metald.conf"

    def checked(self, text: str, part: str = "conductor") -> tuple[int, str]:
        self.file.write_text(text, encoding="ascii")
        ended = metald("check-config", "--part", part, "--config-file", str(self.file))
        self.assertEqual("", ended.stderr)
        return ended.returncode, ended.stdout


class TestCheckConfig(FilesCase):
    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        """Each line names section and option, says what is wrong and what to do, and quotes no password."""
        code, said = self.checked(
            "[DEFAULT]\nrpc_transport = oslo\nauth_strategy = http_basic\nhttp_basic_auth_user_file = /none\n"
            "[api]\nenable_ssl_api = true\ncert_file = /none.pem\n[json_rpc]\npasword = tiger\n"
            "[conductor]\nlease_duration = 5\nheartbeat_interval = 60\n"
        )
        self.assertEqual(2, code)
        for option in (
            "[DEFAULT] transport_url", "[database] connection", "[database] secret_key_file", "[api] cert_file",
            "[api] enable_ssl_api", "[DEFAULT] http_basic_auth_user_file", "[conductor] heartbeat_interval",
        ):  # fmt: skip
            self.assertIn(f"wrong  {option}: ", said)
        self.assertIn("[json_rpc] pasword has no meaning here and is ignored; is password meant?", said)
        self.assertNotIn("tiger", said)

    def test_a_login_at_keystone_that_is_none_is_named(self) -> None:
        """Whoever asks Keystone needs one: the API, conductors that are called with tokens, and their callers."""
        text = "[DEFAULT]\nrpc_transport = json-rpc\n[json_rpc]\nauth_strategy = keystone\nauth_section = callers\n"
        text += "[callers]\nauth_type = password\nauth_url = http://127.0.0.1/v3\npassword = tiger\n"
        code, said = self.checked(text)
        self.assertEqual(2, code)
        for option in ("auth_type", "auth_url"):
            self.assertIn(f"wrong  [keystone_authtoken] {option}: ", said)
        self.assertNotIn("[callers]", said)
        self.assertNotIn("tiger", said)
        self.file.chmod(0o644)
        self.assertIn("has passwords in it", self.checked(text)[1])

    def test_what_cannot_be_read_is_named(self) -> None:
        """A value of the wrong kind is told with its file, section and option."""
        code, said = self.checked("[api]\nport = many\n", "serve")
        self.assertEqual((2, True), (code, f"{self.file}: [api] port" in said))

    def test_what_is_right_is_said(self) -> None:
        """The exit code is 0, and remarks do not change that."""
        self.assertEqual(0, self.checked("", "serve")[0])
        code, said = self.checked(
            "[DEFAULT]\nrpc_transport = json-rpc\n[database]\nconnection = sqlite:////tmp/x\nsecret_key_file = /tmp/key\n"
        )
        self.assertEqual((0, True), (code, "ok     metald conductor can be started" in said))


class TestSample(FilesCase):
    def test_every_option_is_in_the_sample_with_its_default(self) -> None:
        """What it does, its unit and when to change it stand above each; the file changes nothing, and is read without a word."""
        text = metald("sample-config").stdout
        self.file.write_text(text, encoding="utf-8")
        self.assertEqual(ConductorConfig(), ConductorConfig.load(self.file))
        self.file.write_text(
            "\n".join(line.removeprefix("#") for line in text.splitlines() if not line.startswith("# ")), encoding="utf-8"
        )
        found = read_sections([self.file])
        for section, options in known_options().items():
            self.assertEqual(set(), options - set(found[section]), section)
        self.assertEqual([], unknown_options([self.file]))
        self.assertEqual(text.count("\n#"), text.count("\n# ") + sum(len(options) for options in found.values()))
        self.assertEqual(sum(len(options) for options in found.values()), text.replace("\n# ", " ").count("Change it "))


class TestDatabase(FilesCase):
    def db(self, *arguments: str) -> tuple[int, str]:
        ended = metald("db", arguments[0], "--state-dir", str(self.directory), *arguments[1:])
        return ended.returncode, ended.stdout + ended.stderr

    def test_a_database_is_made_looked_at_and_copied(self) -> None:
        """check says what has to be done, upgrade does it, and a copy has what the database had, for its owner alone."""
        self.assertEqual(1, self.db("check")[0])
        (self.directory / "secret.key").write_bytes(b"k")
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
        code, said = self.db("backup", str(copy))
        self.assertEqual((2, True), (code, "is there already" in said))


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class TestServerBackup(FilesCase):
    def test_the_database_of_a_server_is_copied(self) -> None:
        """By what comes with it; the copy is a script that makes the tables again with what was in them."""
        store = SQLStore(SERVER_URL, table_prefix=new_prefix())
        store.open()
        self.addCleanup(store.close)
        uuid = new_uuid()
        store.create_node(NodeRecord(uuid=uuid), fence=None)
        copy = self.directory / "copy.sql"
        back_up(SERVER_URL, copy)
        self.assertIn(uuid, copy.read_text(encoding="utf-8"))


class TestGuide(FilesCase):
    def test_the_file_of_the_guide_is_right_for_every_part(self) -> None:
        """With the files that it names in place, and whichever of its lines are commented in, nothing is wrong with it."""
        guide = Path(__file__).parents[2] / "doc" / "source" / "operator" / "metald.conf"
        text = guide.read_text(encoding="ascii").replace("/etc/metald", str(self.directory))
        for name in ("htpasswd", "htpasswd-rpc"):
            (self.directory / name).write_text("", encoding="ascii")
        oslo = text.replace("rpc_transport = json-rpc", "").replace("#rpc_transport", "rpc_transport")
        oslo = oslo.replace("#transport_url", "transport_url").replace("#backend_url", "backend_url")
        for variant in (text, oslo):
            for part in ("api", "conductor"):
                code, said = self.checked(variant, part)
                self.assertEqual(0, code, said)
                self.assertNotIn("no meaning", said)
