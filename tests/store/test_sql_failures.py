"""Errors of the SQL store when the database is unusable, and the state that they leave behind."""

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
    """Database files that are missing, read-only, damaged, full or locked, and servers that do not answer."""

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

    def message_of_failure(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        """Return the message of the ``StoreUnavailable`` that a call raises."""
        error = self.assertRaises(StoreUnavailable, function, *arguments, **named)
        self.assertEqual(503, error.code)
        return str(error)

    def on_each_connection(self, statement: str) -> Callable[[], None]:
        """Execute a statement on each new connection until the returned function is called."""

        def execute(connection: Any, _record: object) -> None:
            connection.execute(statement)

        event.listen(Engine, "connect", execute)
        removed: list[bool] = []

        def stop() -> None:
            if not removed:
                removed.append(True)
                event.remove(Engine, "connect", execute)

        self.addCleanup(stop)
        return stop

    def integrity(self) -> str:
        connection = sqlite3.connect(self.path)
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()

    def test_missing_directory_is_named(self) -> None:
        """The error for a missing directory names it."""
        message = self.message_of_failure(self.opened, f"sqlite:///{self.directory}/missing/nodes.db")
        self.assertIn(f"the directory {self.directory}/missing does not exist", message)

    def test_file_of_another_kind_is_left_alone(self) -> None:
        """A file that is not a database is rejected and not written to."""
        content = b"precious " * 1000
        self.path.write_bytes(content)
        self.assertIn("not an SQLite database", self.message_of_failure(self.opened))
        self.assertEqual(content, self.path.read_bytes())

    def test_directory_cannot_be_opened(self) -> None:
        """A directory at the path is reported as a file that cannot be opened."""
        self.path.mkdir()
        self.assertIn("cannot be opened", self.message_of_failure(self.opened))

    def test_read_only_database_can_be_read(self) -> None:
        """A read-only database can be read, and a write fails without an effect and names the reason."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store.close()
        store = self.opened(f"sqlite:///file:{self.path}?mode=ro&uri=true")
        self.assertEqual(node, store.node(node.uuid))
        self.assertIn("read-only", self.message_of_failure(store.update_node, node.uuid, {"owner": "x"}, fence=None))
        self.assertEqual(node, store.node(node.uuid))

    def test_empty_read_only_database_does_not_open(self) -> None:
        """The store does not open if it cannot create its tables."""
        self.path.touch()
        self.assertIn("read-only", self.message_of_failure(self.opened, f"sqlite:///file:{self.path}?mode=ro&uri=true"))

    def test_full_disk_leaves_no_partial_write(self) -> None:
        """On a full file system writes fail as a whole and reads work, and writes work again once there is space."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid(), name="first"), fence=None)
        store.close()
        make_room = self.on_each_connection(f"PRAGMA max_page_count = {self.path.stat().st_size // 4096 + 30}")
        store.open()
        written = [node.uuid]

        def fill() -> None:
            while True:
                record = NodeRecord(uuid=new_uuid(), extra={"text": "x" * 20000})
                store.create_node(record, fence=None)
                written.append(record.uuid)

        self.assertIn("file system is full", self.message_of_failure(fill))
        self.assertEqual(written, [row.uuid for row in store.nodes(NodeQuery(fields=("uuid",)))])
        self.message_of_failure(store.update_node, node.uuid, {"name": "second", "extra": {"text": "x" * 200000}}, fence=None)
        self.assertEqual(node, store.node("first"))
        store.close()
        self.assertEqual("ok", self.integrity())
        make_room()
        store.open()
        self.assertEqual("second", store.update_node(node.uuid, {"name": "second"}, fence=None).name)

    def test_upgrade_on_a_full_disk_is_repeated(self) -> None:
        """An upgrade that fails creates no table, and the next start completes it."""
        make_room = self.on_each_connection("PRAGMA max_page_count = 12")
        self.assertIn("file system is full", self.message_of_failure(self.opened))
        make_room()
        self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_failed_transaction_is_rolled_back(self) -> None:
        """A connection can be used again after an error in the middle of a transaction."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        address = new_mac()
        store.create_port(PortRecord(new_uuid(), node.uuid, address), fence=None)
        for _ in range(20):
            self.assertRaises(MACAlreadyExists, store.create_port, PortRecord(new_uuid(), node.uuid, address), fence=None)
        self.assertEqual(1, len(store.ports(Query())))
        store.delete_node(node.uuid, fence=None)

    def test_locked_database_fails_after_the_timeout(self) -> None:
        """While another process locks the file, reads work and writes fail after the timeout in the URL."""
        node = self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store = self.opened(f"sqlite:///{self.path}?timeout=0.05")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.assertIn("keeps the file locked", self.message_of_failure(store.update_node, node.uuid, {}, fence=None))
        self.assertEqual(node, store.node(node.uuid))
        other.execute("ROLLBACK")
        store.update_node(node.uuid, {}, fence=None)

    def test_missing_tables_make_the_store_unavailable(self) -> None:
        """A database whose tables were dropped is unavailable, not a missing node."""
        store = self.opened()
        connection = sqlite3.connect(self.path)
        connection.execute("DROP TABLE bm_nodes")
        connection.close()
        self.assertIn("no such table", self.message_of_failure(store.node, "a"))

    def test_damaged_database_is_reported(self) -> None:
        """A file with overwritten pages is reported as damaged."""
        store = self.opened()
        for _ in range(20):
            store.create_node(NodeRecord(uuid=new_uuid(), extra={"text": "x" * 5000}), fence=None)
        store.close()
        with self.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(self.path.stat().st_size - 4096))

        def use() -> None:
            self.opened().nodes(NodeQuery())

        self.assertIn("damaged", self.message_of_failure(use))

    def test_closed_store_is_unavailable(self) -> None:
        """A store that is not open reports so."""
        store = SQLStore(f"sqlite:///{self.path}")
        self.assertIn("not open", self.message_of_failure(store.node, "a"))
        self.assertIn("not open", self.message_of_failure(store.create_node, NodeRecord(uuid=new_uuid()), fence=None))

    def test_database_in_memory_is_refused(self) -> None:
        """An SQLite database in memory is rejected, because each connection would have its own."""
        for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"):
            self.assertIn("memory", str(self.assertRaises(ConfigurationError, self.opened, url)))

    def test_invalid_url_is_not_quoted(self) -> None:
        """The error for an invalid URL does not quote it, because it may contain a password."""
        wrong = ("postgresql//u:hunter2@h/d", "nosuch://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "sqlite:/x?hunter2")
        for url in ("", *wrong):
            error = self.assertRaises(ConfigurationError, SQLStore, url)
            self.assertIn("[database] connection", str(error))
            self.assertNotIn("hunter2", "".join(traceback.format_exception(error)))

    def test_missing_driver_is_named(self) -> None:
        """The error for a missing database driver names the package to install."""
        missing = next(name for name in ("pg8000", "psycopg2", "oracledb") if importlib.util.find_spec(name) is None)
        scheme = "oracle+oracledb" if missing == "oracledb" else f"postgresql+{missing}"
        error = self.assertRaises(ConfigurationError, self.opened, f"{scheme}://u:hunter2@127.0.0.1/d")
        self.assertIn(missing, str(error))

    def test_password_is_in_no_error(self) -> None:
        """The error for an unreachable server names it without the password, in the message, the causes and the store's repr."""
        if importlib.util.find_spec("psycopg") is None:
            self.skipTest("psycopg is not installed")
        store = SQLStore("postgresql+psycopg://u:hunter2@127.0.0.1:1/d?connect_timeout=5")
        error = self.assertRaises(StoreUnavailable, store.open)
        self.assertIn("127.0.0.1:1", str(error))
        self.assertNotIn("hunter2", "".join(traceback.format_exception(error)) + repr(store))

    def test_values_are_in_no_error(self) -> None:
        """Neither an error nor its causes contain the values of a write."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        connection = sqlite3.connect(self.path)
        connection.execute("DROP TABLE bm_nodes")
        connection.close()
        error = self.assertRaises(StoreUnavailable, store.update_node, node.uuid, {"owner": "hunter2"}, fence=None)
        self.assertNotIn("hunter2", "".join(traceback.format_exception(error)))

    def test_errors_of_callers_are_not_translated(self) -> None:
        """Errors of callers, such as a missing node, are raised unchanged."""
        self.assertRaises(NodeNotFound, self.opened().node, "a")
