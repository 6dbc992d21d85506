"""Migrations from each earlier revision with data in place, and two releases on one database."""

from __future__ import annotations

import tempfile
import unittest
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, Engine, MetaData, create_engine, inspect, make_url, select, text
from testtools import TestCase

import baremetal_sdk.store.sql.migrations
from baremetal_sdk.store import NodeQuery, NodeRecord, PortRecord
from baremetal_sdk.store.records.fields import NODE_FIELDS, PORT_FIELDS
from baremetal_sdk.store.sql.schema import REVISIONS, StoreSchema
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SERVER_URL, new_mac, new_prefix, new_uuid

Columns = dict[str, dict[str, Any]]
"""Description of each column as the database reports it, by table and column."""

AT = datetime(2031, 5, 17, 12, 0, 3)


class MigrationBehaviour:
    """Migrations in one kind of database. Each test has its own tables under a prefix."""

    url: str
    engine: Engine

    def setUp(self: Any) -> None:
        super().setUp()  # type: ignore[safe-super]
        self.engine = create_engine(self.url)
        self.addCleanup(self.engine.dispose)

    def migrate(self, prefix: str, revision: str) -> None:
        """Create the tables of *revision*."""
        config = Config()
        config.set_main_option("script_location", str(Path(baremetal_sdk.store.sql.migrations.__file__).parent))
        with self.engine.begin() as connection:
            names = {"version_table": f"{prefix}alembic_version", "table_prefix": prefix}
            config.attributes.update(connection=connection, **names)
            command.upgrade(config, revision)

    def opened(self: Any, prefix: str) -> SQLStore:
        store = SQLStore(self.url, table_prefix=prefix)
        store.open()
        self.addCleanup(store.close)
        return store

    def tables(self, prefix: str) -> MetaData:
        found = MetaData()
        found.reflect(self.engine, only=lambda name, _: name.startswith(prefix) and not name.endswith("alembic_version"))
        return found

    def columns(self, prefix: str) -> Columns:
        with self.engine.connect() as connection:
            seen = inspect(connection)
            return {
                table: {column["name"]: column for column in seen.get_columns(table)}
                for table in seen.get_table_names()
                if table.startswith(prefix) and not table.endswith("alembic_version")
            }

    def test_upgrade_from_each_revision_keeps_the_data(self: Any) -> None:
        """An upgrade from each earlier revision keeps all stored data."""
        for revision in REVISIONS[:-1]:
            prefix = new_prefix()
            self.migrate(prefix, revision)
            with self.engine.begin() as connection:
                fill(connection, self.tables(prefix), prefix)
            before = self.contents(self.tables(prefix))
            store = self.opened(prefix)
            after = self.contents(self.tables(prefix))
            for table, rows in before.items():
                self.assertEqual(1, len(after[table]), (revision, table))
                kept = {name: after[table][0][name] for name in rows[0]}
                self.assertEqual(rows[0], kept, (revision, table))
            [node] = store.nodes(NodeQuery())
            self.assertEqual({"k": [1]}, node.extra)
            store.update_node(node.uuid, {"owner": "x"}, fence=None)
            store.delete_node(node.uuid, fence=None)

    def contents(self, tables: MetaData) -> dict[str, list[dict[str, Any]]]:
        with self.engine.connect() as connection:
            return {
                table.name: [dict(row._mapping) for row in connection.execute(select(table))] for table in tables.sorted_tables
            }

    def test_migrations_only_add(self: Any) -> None:
        """Within a generation, migrations neither remove nor tighten anything that a release uses, and new columns are
        optional.

        So processes of release N keep working during and after the upgrade of the schema to N+1.
        """
        prefix = new_prefix()
        self.migrate(prefix, REVISIONS[0])
        before, conditions = self.columns(prefix), self.constraints(prefix)
        for earlier, revision in pairwise(REVISIONS):
            self.migrate(prefix, revision)
            after, stricter = self.columns(prefix), self.constraints(prefix)
            if revision[0] == earlier[0]:
                self.assert_only_added(revision, before, after)
                for table, known in conditions.items():
                    self.assertEqual(set(), stricter[table] - known, f"{revision} adds constraints to {table}")
            before, conditions = after, stricter

    def assert_only_added(self: Any, revision: str, before: Columns, after: Columns) -> None:
        for table, columns in before.items():
            self.assertEqual(set(), set(columns) - set(after[table]), (revision, table))
            for name, old in columns.items():
                same = (str(old["type"]), old["nullable"]) == (str(after[table][name]["type"]), after[table][name]["nullable"])
                self.assertTrue(same, f"{revision} changes {table}.{name}")
            for name in set(after[table]) - set(columns):
                new = after[table][name]
                self.assertTrue(new["nullable"] or new["default"] is not None, (revision, table, name))

    def constraints(self, prefix: str) -> dict[str, set[str]]:
        """Return the constraints of each table: unique keys and foreign keys."""
        with self.engine.connect() as connection:
            seen = inspect(connection)
            return {
                table: {
                    *(f"unique {constraint['column_names']}" for constraint in seen.get_unique_constraints(table)),
                    *(f"unique {index['column_names']}" for index in seen.get_indexes(table) if index["unique"]),
                    *(f"foreign {key['constrained_columns']}" for key in seen.get_foreign_keys(table)),
                }
                for table in self.columns(prefix)
            }

    def test_open_store_works_during_the_upgrade_of_the_next_release(self: Any) -> None:
        """An open store works on tables to which a later release has added a column, a table and a revision."""
        prefix = new_prefix()
        store = self.opened(prefix)
        node = store.create_node(NodeRecord(uuid=new_uuid(), name="old"), fence=None)
        with self.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {prefix}nodes ADD COLUMN future VARCHAR(36) NULL"))
            connection.execute(text(f"CREATE TABLE {prefix}futures (id INTEGER)"))
            connection.execute(text(f"UPDATE {prefix}alembic_version SET version_num = '9999'"))
        created = store.create_node(NodeRecord(uuid=new_uuid(), name="new"), fence=None)
        lease, _ = store.take_lease(node.uuid, holder="n/1", purpose="work", duration=60.0)
        store.update_node(node.uuid, {"owner": "x"}, fence=lease.fence, release=True)
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE {prefix}nodes SET future = 'kept'"))
        store.update_node(node.uuid, {"owner": "y"}, fence=None)
        self.assertEqual({"old": "y", "new": None}, {row.name: row.owner for row in store.nodes(NodeQuery())})
        with self.engine.connect() as connection:
            self.assertEqual({("kept",)}, {tuple(r) for r in connection.execute(text(f"SELECT future FROM {prefix}nodes"))})
        store.delete_node(created.uuid, fence=None)


def fill(connection: Connection, tables: MetaData, prefix: str) -> None:
    """Insert one row into each table."""
    node = new_uuid()
    known: dict[str, dict[str, Any]] = {
        "nodes": NODE_FIELDS.encode_record(NodeRecord(uuid=node, name="a", extra={"k": [1]})),
        "ports": PORT_FIELDS.encode_record(PortRecord(new_uuid(), node, new_mac())),
        # The only row of its table, with a number that the database does not assign.
        "events_progress": {"id": 1},
    }
    for table in tables.sorted_tables:
        given = known.get(table.name.removeprefix(prefix), {})
        needed = {
            column.name: node if column.name == "node_uuid" else sample(column)
            for column in table.columns
            if column.name != "id" and not column.nullable
        }
        values = {**needed, **{name: value for name, value in given.items() if name in table.columns and value is not None}}
        connection.execute(table.insert(), [values])


def sample(column: Column[Any]) -> Any:
    """Return a value that fits the column."""
    kind: type = column.type.python_type
    if kind is str:
        return new_uuid()[: getattr(column.type, "length", None)]
    return {bytes: b"x", datetime: AT, bool: True}.get(kind, 1)


class SQLiteMigrationTest(MigrationBehaviour, TestCase):
    """Migrations in a file."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(directory.name) / 'nodes.db'}"
        super().setUp()
        self.addCleanup(directory.cleanup)


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class ServerMigrationTest(MigrationBehaviour, TestCase):
    """Migrations on a database server."""

    url = SERVER_URL

    def test_migrated_schema_equals_the_schema_of_the_code(self) -> None:
        """The migrations create each index and constraint that the code defines."""
        prefix = new_prefix()
        self.opened(prefix)
        schema = StoreSchema(prefix)
        with self.engine.connect() as connection:
            found = {index["name"] for table in schema.metadata.tables for index in inspect(connection).get_indexes(table)}
        backend = make_url(self.url).get_backend_name()
        self.assertIn(backend, ("postgresql", "mariadb", "mysql"))
        wanted = {index.name for table in schema.metadata.tables.values() for index in table.indexes}
        # Only PostgreSQL has partial indexes.
        parts = set() if backend == "postgresql" else {name for name in wanted if name and "_with_" in name}
        self.assertEqual(parts, wanted - found)
