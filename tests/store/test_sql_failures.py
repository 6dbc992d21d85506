"""What the SQL store says and leaves behind when the database cannot be used."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError, MACAlreadyExists, NodeNotFound, StoreUnavailable
from baremetal_sdk.store import NodeQuery, NodeRecord, PortRecord, Query
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import new_mac, new_uuid


class FailureTest(TestCase):
    """Files that are not there, not writable, not a database, full, locked; servers that do not answer."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.path = self.directory / "nodes.db"

    def opened(self, url: str | None = None) -> SQLStore:
        store = SQLStore(url or f"sqlite:///{self.path}")
        store.open()
        self.addCleanup(store.close)
        return store

    def unavailable(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        """The message of the refusal."""
        error = self.assertRaises(StoreUnavailable, function, *arguments, **named)
        self.assertEqual(503, error.code)
        return str(error)

    def connections_say(self, statement: str) -> Callable[[], None]:
        """Run a statement on every new connection until the function that is given back is called."""

        def say(connection: Any, _record: object) -> None:
            connection.execute(statement)

        event.listen(Engine, "connect", say)
        removed: list[bool] = []

        def stop() -> None:
            if not removed:
                removed.append(True)
                event.remove(Engine, "connect", say)

        self.addCleanup(stop)
        return stop

    def integrity(self) -> str:
        connection = sqlite3.connect(self.path)
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()

    def test_missing_directory_is_named(self) -> None:
        """An operator learns which directory to create."""
        message = self.unavailable(self.opened, f"sqlite:///{self.directory}/missing/nodes.db")
        self.assertIn(f"the directory {self.directory}/missing does not exist", message)

    def test_file_of_another_kind_is_left_alone(self) -> None:
        """What is not a database is refused and not written to."""
        content = b"precious " * 1000
        self.path.write_bytes(content)
        self.assertIn("not an SQLite database", self.unavailable(self.opened))
        self.assertEqual(content, self.path.read_bytes())

    def test_directory_is_no_database(self) -> None:
        """A path that is a directory is told as a file that cannot be opened."""
        self.path.mkdir()
        self.assertIn("cannot be opened", self.unavailable(self.opened))

    def test_read_only_database_can_be_read(self) -> None:
        """Reads go on, writes say that the file is read-only and write nothing."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store.close()
        store = self.opened(f"sqlite:///file:{self.path}?mode=ro&uri=true")
        self.assertEqual(node, store.node(node.uuid))
        self.assertIn("read-only", self.unavailable(store.update_node, node.uuid, {"owner": "x"}, fence=None))
        self.assertEqual(node, store.node(node.uuid))

    def test_empty_read_only_database_does_not_open(self) -> None:
        """Tables that cannot be created are a reason not to start."""
        self.path.touch()
        self.assertIn("read-only", self.unavailable(self.opened, f"sqlite:///file:{self.path}?mode=ro&uri=true"))

    def test_full_disk_leaves_nothing_half_written(self) -> None:
        """When there is no room the write is refused whole, reads go on, and with room again so do writes."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid(), name="first"), fence=None)
        store.close()
        make_room = self.connections_say(f"PRAGMA max_page_count = {self.path.stat().st_size // 4096 + 30}")
        store.open()
        written = [node.uuid]

        def fill() -> None:
            while True:
                record = NodeRecord(uuid=new_uuid(), extra={"text": "x" * 20000})
                store.create_node(record, fence=None)
                written.append(record.uuid)

        self.assertIn("file system is full", self.unavailable(fill))
        self.assertEqual(written, [row.uuid for row in store.nodes(NodeQuery(fields=("uuid",)))])
        self.unavailable(store.update_node, node.uuid, {"name": "second", "extra": {"text": "x" * 200000}}, fence=None)
        self.assertEqual(node, store.node("first"))
        store.close()
        self.assertEqual("ok", self.integrity())
        make_room()
        store.open()
        self.assertEqual("second", store.update_node(node.uuid, {"name": "second"}, fence=None).name)

    def test_upgrade_on_a_full_disk_is_done_again(self) -> None:
        """Tables are created all or none: what could not be created at one start is at the next."""
        make_room = self.connections_say("PRAGMA max_page_count = 12")
        self.assertIn("file system is full", self.unavailable(self.opened))
        make_room()
        self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_refused_transaction_is_undone_whole(self) -> None:
        """After an error in the middle of an operation the connection is as good as new."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        address = new_mac()
        store.create_port(PortRecord(new_uuid(), node.uuid, address), fence=None)
        for _ in range(20):
            self.assertRaises(MACAlreadyExists, store.create_port, PortRecord(new_uuid(), node.uuid, address), fence=None)
        self.assertEqual(1, len(store.ports(Query())))
        store.delete_node(node.uuid, fence=None)

    def test_locked_database_is_told_after_the_timeout(self) -> None:
        """A process that keeps the file locked delays writes for the time that the URL says; reads go on."""
        node = self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store = self.opened(f"sqlite:///{self.path}?timeout=0.05")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.assertIn("locked for 0.05 seconds", self.unavailable(store.update_node, node.uuid, {}, fence=None))
        self.assertEqual(node, store.node(node.uuid))
        other.execute("ROLLBACK")
        store.update_node(node.uuid, {}, fence=None)

    def test_lost_tables_are_told(self) -> None:
        """A database that was emptied under the store is unavailable, not a node that is missing."""
        store = self.opened()
        connection = sqlite3.connect(self.path)
        connection.execute("DROP TABLE bm_nodes")
        connection.close()
        self.assertIn("no such table", self.unavailable(store.node, "a"))

    def test_damaged_database_is_told(self) -> None:
        """A file whose pages are overwritten is told as damaged."""
        store = self.opened()
        for _ in range(20):
            store.create_node(NodeRecord(uuid=new_uuid(), extra={"text": "x" * 5000}), fence=None)
        store.close()
        with self.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(self.path.stat().st_size - 4096))

        def use() -> None:
            self.opened().nodes(NodeQuery())

        self.assertIn("damaged", self.unavailable(use))

    def test_closed_store_is_told(self) -> None:
        """A store that is not open says so."""
        store = SQLStore(f"sqlite:///{self.path}")
        self.assertIn("not open", self.unavailable(store.node, "a"))
        self.assertIn("not open", self.unavailable(store.create_node, NodeRecord(uuid=new_uuid()), fence=None))

    def test_database_in_memory_is_refused(self) -> None:
        """SQLite would give each connection a database of its own."""
        for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"):
            self.assertIn("memory", str(self.assertRaises(ConfigurationError, self.opened, url)))

    def test_url_that_is_none_does_not_leak(self) -> None:
        """A URL with a mistake is not repeated, because it has a password."""
        wrong = ("postgresql//u:hunter2@h/d", "nosuch://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "sqlite:/x?hunter2")
        for url in ("", *wrong):
            error = self.assertRaises(ConfigurationError, SQLStore, url)
            self.assertIn("[database] connection", str(error))
            self.assertNotIn("hunter2", "".join(traceback.format_exception(error)))

    def test_missing_driver_is_named(self) -> None:
        """Without the driver of a database the operator learns what to install."""
        missing = next(name for name in ("pg8000", "psycopg2", "oracledb") if importlib.util.find_spec(name) is None)
        scheme = "oracle+oracledb" if missing == "oracledb" else f"postgresql+{missing}"
        error = self.assertRaises(ConfigurationError, self.opened, f"{scheme}://u:hunter2@127.0.0.1/d")
        self.assertIn(missing, str(error))

    def test_password_is_in_no_error(self) -> None:
        """A server that does not answer is named without the password, in the message, its causes and the store's name."""
        if importlib.util.find_spec("psycopg") is None:
            self.skipTest("psycopg is not installed")
        store = SQLStore("postgresql+psycopg://u:hunter2@127.0.0.1:1/d?connect_timeout=5")
        error = self.assertRaises(StoreUnavailable, store.open)
        self.assertIn("127.0.0.1:1", str(error))
        self.assertNotIn("hunter2", "".join(traceback.format_exception(error)) + repr(store))

    def test_values_are_in_no_error(self) -> None:
        """What was to be written stays out of the causes of an error too."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        connection = sqlite3.connect(self.path)
        connection.execute("DROP TABLE bm_nodes")
        connection.close()
        error = self.assertRaises(StoreUnavailable, store.update_node, node.uuid, {"owner": "hunter2"}, fence=None)
        self.assertNotIn("hunter2", "".join(traceback.format_exception(error)))

    def test_missing_node_is_no_failure(self) -> None:
        """Errors of callers pass as they are."""
        self.assertRaises(NodeNotFound, self.opened().node, "a")
