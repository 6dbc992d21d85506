"""Choice of a store by configuration."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import make_url
from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import MemoryStore, NodeRecord, open_store
from baremetal_sdk.store.sql.backup import back_up
from baremetal_sdk.store.sqlite_url import build_sqlite_url, find_sqlite_file
from tests.fixtures.stores import SteppedClock, new_uuid


class FactoryTest(TestCase):
    """A store is opened with and without a URL."""

    def test_without_a_url_nodes_are_kept_in_memory(self) -> None:
        """Without a URL the store is in memory and uses the given clock."""
        clock = SteppedClock()
        store = open_store(None, clock=clock)
        self.assertIsInstance(store, MemoryStore)
        self.assertEqual(clock.now(), store.create_node(NodeRecord(uuid=new_uuid()), fence=None).created_at)

    def test_url_gives_an_open_store(self) -> None:
        """A store from a URL is open and stores nodes."""
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite:///{Path(directory) / 'nodes.db'}"
            store = open_store(url, clock=SteppedClock())
            node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
            store.close()
            again = open_store(url, clock=SteppedClock())
            self.assertEqual(node, again.node(node.uuid))
            again.close()

    def test_any_path_of_a_file_has_a_url(self) -> None:
        """The URL of a path with spaces, question marks or other special characters leads to this file and no other."""
        with tempfile.TemporaryDirectory() as directory:
            for name in ("a b", "a?b=c", "a#b", "a%41", "a%zz", "ü&+;", "file:x", "a@b:c"):
                file = Path(directory) / name / "nodes.db"
                file.parent.mkdir()
                url = build_sqlite_url(file)
                store = open_store(url, clock=SteppedClock())
                node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
                store.close()
                self.assertTrue(file.exists(), url)
                self.assertEqual(file, find_sqlite_file(make_url(url).database))
                back_up(url, file.with_name("copy.db"))
                again = open_store(build_sqlite_url(file.with_name("copy.db")), clock=SteppedClock())
                self.assertEqual(node, again.node(node.uuid))
                again.close()

    def test_files_in_uris(self) -> None:
        """A URI of SQLite may be relative, and may have an authority."""
        for database, file in (("file:a%20b", "a b"), ("file:/a", "/a"), ("file:///a", "/a"), ("file://localhost/a", "/a")):
            self.assertEqual(Path(file), find_sqlite_file(database))

    def test_invalid_url_is_a_configuration_error(self) -> None:
        """The error for an invalid URL names the option."""
        self.assertIn("[database] connection", str(self.assertRaises(ConfigurationError, open_store, "nodes.db")))

    def test_memory_store_imports_no_database_toolkit(self) -> None:
        """Without a database, neither SQLAlchemy nor Alembic nor cryptography is imported."""
        code = (
            "import sys, baremetal_sdk.store as store; store.open_store(None); store.PlainBox();"
            "print([name for name in ('sqlalchemy', 'alembic', 'cryptography') if name in sys.modules])"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
        self.assertEqual("[]", output.strip())
