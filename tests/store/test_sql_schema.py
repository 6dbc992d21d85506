"""The tables of the SQL store: how they come to be, and that they are what the code takes them for."""

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
from baremetal_sdk.store.sql.schema import REVISIONS, StoreSchema
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import new_uuid

BOUND = 60.0
"""Seconds after which something that waits is taken to hang."""

OPENER = """
import sys
from baremetal_sdk.store.sql.store import SQLStore
store = SQLStore(sys.argv[1])
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

    def openers(self, count: int) -> list[str]:
        """What each of several processes says that open the store at the same moment."""
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
        """What the migrations create from nothing does not differ from what the statements expect."""
        self.opened()
        schema = StoreSchema("bm_")
        with self.engine.connect() as connection:
            options = {"version_table": schema.version_table, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            self.assertEqual([], compare_metadata(context, schema.metadata))
            found = {index["name"] for table in schema.metadata.tables for index in inspect(connection).get_indexes(table)}
        self.assertEqual({index.name for table in schema.metadata.tables.values() for index in table.indexes}, found)

    def test_known_revisions_are_those_of_the_migrations(self) -> None:
        """The list that spares the import of Alembic has all migrations, in order."""
        scripts = ScriptDirectory(str(Path(baremetal_sdk.store.sql.migrations.__file__).parent))
        self.assertEqual(REVISIONS, tuple(script.revision for script in reversed(list(scripts.walk_revisions()))))

    def test_upgrade_keeps_what_is_stored(self) -> None:
        """A database with the first tables is brought to the present ones: nodes and ports are as they were."""
        self.migrate("0001")
        node, port, at = new_uuid(), new_uuid(), "2031-05-17 12:00:03.250001"
        self.insert("bm_nodes", NODE_FIELDS, NodeRecord(uuid=node, name="a", extra={"k": [1]}), created_at=at)
        left_out = ("available_for_dynamic_portgroup",)
        self.insert("bm_ports", PORT_FIELDS, PortRecord(port, node, "aa:00:00:00:00:01"), left_out, created_at=at)
        store = self.opened()
        self.assertEqual(({"k": [1]}, 2031), (store.node("a").extra, store.node("a").created_at.year))  # type: ignore[union-attr]
        self.assertTrue(store.port(port).available_for_dynamic_portgroup)
        created = store.create_record(VolumeConnectorRecord(new_uuid(), node, "ip", "192.0.2.1"))
        store.delete_node(node, fence=None)
        self.assertRaises(NotFound, store.record, VolumeConnectorRecord, created.uuid)
        self.assertRaises(NotFound, store.port, port)

    def migrate(self, revision: str) -> None:
        """Make the tables as they were at *revision*."""
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

    def test_processes_that_upgrade_at_once_agree(self) -> None:
        """Several processes may open an empty database at the same time: one creates the tables, all can work."""
        for _ in range(2):
            self.openers(4)
        with self.engine.connect() as connection:
            versions = connection.execute(text("SELECT * FROM bm_alembic_version")).all()
        self.assertEqual([(REVISIONS[-1],)], [tuple(row) for row in versions])
        self.opened().create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_current_database_opens_without_alembic(self) -> None:
        """The import is paid for by the start that migrates, and by no other."""
        self.assertEqual(["True"], self.openers(1))
        self.assertEqual(["False"], self.openers(1))

    def test_database_of_a_later_version_is_refused(self) -> None:
        """Older code does not touch newer tables, and says what to do."""
        self.opened().close()
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE bm_alembic_version SET version_num = '9999'"))
        error = self.assertRaises(StoreUnavailable, self.opened)
        self.assertIn("9999", str(error))
        self.assertIn("later version", str(error))

    def test_database_of_the_next_version_can_be_used_in_one_generation(self) -> None:
        """Within a generation migrations only add: a process of this version starts, works, and leaves the revision as it is."""
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

    def test_tables_live_beside_those_of_the_host(self) -> None:
        """Every table has the prefix; a host's own tables, its Alembic version too, are left alone."""
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

    def test_prefix_is_a_part_of_a_name(self) -> None:
        """What would be no name of a table, or too long a one, is refused."""
        for wrong in ("1x_", "a b", "x;--", "x" * 17):
            self.assertIn(repr(wrong), str(self.assertRaises(ConfigurationError, SQLStore, self.url, table_prefix=wrong)))

    def test_closed_store_can_be_opened_again(self) -> None:
        """Closing keeps what is stored; opening twice is opening once."""
        store = self.opened()
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        store.open()
        store.close()
        self.assertIn("not open", str(self.assertRaises(StoreUnavailable, store.node, node.uuid)))
        store.close()
        store.open()
        self.assertEqual(node, store.node(node.uuid))
