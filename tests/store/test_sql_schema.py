"""Creation of the SQL store's tables, and their agreement with the code."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from testtools import TestCase

import baremetal_sdk.store.sql.migrations
from baremetal_interfaces import NotFound
from baremetal_sdk.errors import ConfigurationError, StoreUnavailable
from baremetal_sdk.store import NodeQuery, NodeRecord, PortRecord, VolumeConnectorRecord
from baremetal_sdk.store.records.fields import NODE_FIELDS, PORT_FIELDS
from baremetal_sdk.store.sql.schema import LAST_UNSEALED, REVISIONS, StoreSchema
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import new_uuid

BOUND = 60.0
"""Seconds after which a waiting process is considered to hang."""

OPENER = """
import sys
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.store.secrets import FernetBox
store = SQLStore(sys.argv[1], secrets=FernetBox(sys.argv[1].removeprefix("sqlite:///") + ".key"))
print("ready", flush=True)
sys.stdin.readline()
store.open()
print("alembic" in sys.modules, flush=True)
"""


class SchemaTest(TestCase):
    """Creation and upgrade of the tables."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.url = f"sqlite:///{Path(directory.name) / 'nodes.db'}"
        self.engine = create_engine(self.url)
        self.addCleanup(self.engine.dispose)

    def opened(self, **arguments: Any) -> SQLStore:
        store = SQLStore(self.url, **arguments)
        store.open()
        self.addCleanup(store.close)
        return store

    def open_in_processes(self, count: int) -> list[str]:
        """Open the store in several processes at the same time and return their outputs."""
        command = [sys.executable, "-c", OPENER, self.url]
        processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        for process in processes:
            assert process.stdout is not None
            self.assertEqual("ready\n", process.stdout.readline())
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=BOUND)[0].strip() for process in processes]
        self.assertEqual([0] * count, [process.returncode for process in processes])
        return outputs

    def test_migrations_make_the_tables_of_the_code(self) -> None:
        """The migrations create exactly the tables that the code defines."""
        self.opened()
        schema = StoreSchema("bm_")
        with self.engine.connect() as connection:
            options = {"version_table": schema.version_table, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            self.assertEqual([], compare_metadata(context, schema.metadata))
            found = {index["name"] for table in schema.metadata.tables for index in inspect(connection).get_indexes(table)}
        self.assertEqual({index.name for table in schema.metadata.tables.values() for index in table.indexes}, found)

    def test_known_revisions_are_those_of_the_migrations(self) -> None:
        """``REVISIONS`` has all migrations in order."""
        scripts = ScriptDirectory(str(Path(baremetal_sdk.store.sql.migrations.__file__).parent))
        self.assertEqual(REVISIONS, tuple(script.revision for script in reversed(list(scripts.walk_revisions()))))

    def test_upgrade_keeps_stored_nodes_and_ports(self) -> None:
        """An upgrade from the first tables keeps nodes and ports unchanged."""
        self.migrate("0001")
        node, port, at = new_uuid(), new_uuid(), "2031-05-17 12:00:03.250001"
        self.insert("bm_nodes", NODE_FIELDS, NodeRecord(uuid=node, name="a", extra={"k": [1]}), created_at=at)
        left_out = ("available_for_dynamic_portgroup",)
        self.insert("bm_ports", PORT_FIELDS, PortRecord(port, node, "aa:00:00:00:00:01"), left_out, created_at=at)
        store = self.opened()
        self.assertEqual({"k": [1]}, store.node("a").extra)
        self.assertEqual(2031, store.node("a").created_at.year)  # type: ignore[union-attr]
        self.assertTrue(store.port(port).available_for_dynamic_portgroup)
        created = store.create_record(VolumeConnectorRecord(new_uuid(), node, "ip", "192.0.2.1"))
        store.delete_node(node, fence=None)
        self.assertRaises(NotFound, store.record, VolumeConnectorRecord, created.uuid)
        self.assertRaises(NotFound, store.port, port)

    def migrate(self, revision: str) -> None:
        """Create the tables of *revision*."""
        config = Config()
        config.set_main_option("script_location", str(Path(baremetal_sdk.store.sql.migrations.__file__).parent))
        with self.engine.begin() as connection:
            config.attributes.update(connection=connection, version_table="bm_alembic_version", table_prefix="bm_")
            command.upgrade(config, revision)

    def insert(self, table: str, fields: Any, record: Any, left_out: tuple[str, ...] = (), **more: Any) -> None:
        values = {name: value for name, value in {**fields.encode_record(record), **more}.items() if name not in left_out}
        names = ", ".join(values)
        with self.engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in values)})"), values)

    def test_concurrent_upgrades_succeed(self) -> None:
        """Several processes may open an empty database, or an old one, at the same time: one upgrades it, and all can use it."""
        for _ in range(2):
            self.open_in_processes(4)
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE bm_alembic_version SET version_num = '{LAST_UNSEALED}'"))
        self.open_in_processes(4)
        with self.engine.connect() as connection:
            versions = connection.execute(text("SELECT * FROM bm_alembic_version")).all()
        self.assertEqual([(REVISIONS[-1],)], [tuple(row) for row in versions])
        self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_current_database_opens_without_alembic(self) -> None:
        """Only a start that migrates imports Alembic."""
        self.assertEqual(["True"], self.open_in_processes(1))
        self.assertEqual(["False"], self.open_in_processes(1))

    def test_database_of_a_later_version_is_refused(self) -> None:
        """Older code rejects tables of a later generation and names the remedy."""
        self.opened().close()
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE bm_alembic_version SET version_num = '9999'"))
        error = self.assertRaises(StoreUnavailable, self.opened)
        self.assertIn("9999", str(error))
        self.assertIn("later version", str(error))

    def test_later_revision_of_the_same_generation_can_be_used(self) -> None:
        """A store opens and uses tables of a later revision of the same generation, and keeps the revision."""
        self.opened().close()
        later = f"{int(REVISIONS[-1]) + 3:04d}"
        with self.engine.begin() as connection:
            connection.execute(text("ALTER TABLE bm_nodes ADD COLUMN later VARCHAR(9) NULL"))
            connection.execute(text(f"UPDATE bm_alembic_version SET version_num = '{later}'"))
        node = self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)
        self.assertEqual(node, self.opened().node(node.uuid))
        with self.engine.begin() as connection:
            self.assertEqual(later, connection.execute(text("SELECT version_num FROM bm_alembic_version")).scalar())
            connection.execute(text(f"UPDATE bm_alembic_version SET version_num = '1{later[1:]}'"))
        self.assertRaises(StoreUnavailable, self.opened)

    def test_tables_share_a_database_with_a_host_application(self) -> None:
        """All tables have the prefix, and tables of a host application, its Alembic version included, stay unchanged."""
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
            connection.execute(text("CREATE TABLE nodes (id INTEGER)"))
        one, two = self.opened(table_prefix="one_"), self.opened(table_prefix="two_")
        one.create_node(NodeRecord(uuid=new_uuid(), name="a"), fence=None)
        self.assertEqual([], list(two.nodes(NodeQuery())))
        with self.engine.connect() as connection:
            self.assertEqual("theirs", connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
        names = {name for name in inspect(self.engine).get_table_names() if not name.startswith(("one_", "two_"))}
        self.assertEqual({"alembic_version", "nodes"}, names)

    def test_invalid_prefix_is_refused(self) -> None:
        """A prefix that is too long or not part of a valid table name is rejected."""
        for wrong in ("1x_", "a b", "x;--", "x" * 17):
            self.assertIn(repr(wrong), str(self.assertRaises(ConfigurationError, SQLStore, self.url, table_prefix=wrong)))

    def test_closed_store_can_be_opened_again(self) -> None:
        """Closing keeps the data, and opening an open store does nothing."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store.open()
        store.close()
        self.assertIn("not open", str(self.assertRaises(StoreUnavailable, store.node, node.uuid)))
        store.close()
        store.open()
        self.assertEqual(node, store.node(node.uuid))
