"""Large values of nodes, which are stored in parts."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import testtools
from cryptography.fernet import Fernet
from fixtures import TempDir

from baremetal_interfaces import Conflict
from baremetal_interfaces.json_values import MAX_LENGTH
from baremetal_sdk.store import MemoryStore, Query
from baremetal_sdk.store.large_values import CONFIG_DRIVE, INSPECTION, PART_CHARS, LargeValues, is_reference
from baremetal_sdk.store.records.hardware import NodeValuePartRecord
from baremetal_sdk.store.secrets import FernetBox
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SERVER_URL, StoreBehaviour, new_prefix


class LargeValueBehaviour(StoreBehaviour):
    """Rules for large values in all stores."""

    def setUp(self: Any) -> None:
        super().setUp()  # type: ignore[safe-super]
        self.store = self.open_store()
        self.values = LargeValues(self.store)

    def parts(self) -> list[Any]:
        return list(self.store.records(NodeValuePartRecord, Query(fields=("value_uuid", "number"))))

    def test_values_of_all_sizes_are_read_back(self: Any) -> None:
        """The limit for JSON in columns does not apply, and the values are JSON of any kind."""
        node = self.node().uuid
        large = ["x" * (PART_CHARS - 2), "\u00e9\U0001f600" * PART_CHARS, "x" * (MAX_LENGTH + 1), {"a": ["b" * PART_CHARS]}]
        for value in ["", {}, *large]:
            reference = self.values.save(node, CONFIG_DRIVE, value)
            self.assertTrue(is_reference(reference))
            self.values.require(node, reference)
            self.assertEqual(value, self.values.load(node, reference))

    def test_values_are_deleted_with_their_node_and_alone(self: Any) -> None:
        """The deletion of other values keeps the named one and the values of other names and nodes."""
        first, second = self.node(), self.node()
        old, new = (self.values.save(first.uuid, CONFIG_DRIVE, ["x"] * PART_CHARS) for _ in range(2))
        inspection = self.values.save(first.uuid, INSPECTION, 1)
        other = self.values.save(second.uuid, CONFIG_DRIVE, 2)
        self.values.delete_others(first.uuid, CONFIG_DRIVE, new)
        self.assertRaises(Conflict, self.values.load, first.uuid, old)
        self.assertRaises(Conflict, self.values.require, first.uuid, old)
        self.assertEqual(["x"] * PART_CHARS, self.values.load(first.uuid, new))
        self.assertEqual(1, self.values.load(first.uuid, inspection))
        self.values.delete(second.uuid, new)
        self.values.require(first.uuid, new)
        self.assertRaises(Conflict, self.values.load, second.uuid, new)
        self.store.delete_node(first.uuid, fence=None)
        self.assertEqual([tuple(other.split(":")[2:3])], [(row.value_uuid,) for row in self.parts()])

    def test_incomplete_value_is_refused(self: Any) -> None:
        """A value with a missing part is not read."""
        node = self.node().uuid
        reference = self.values.save(node, CONFIG_DRIVE, "x" * 2 * PART_CHARS)
        self.store.purge_records(NodeValuePartRecord, {"node_uuid": node, "number": 1})
        self.assertRaises(Conflict, self.values.require, node, reference)
        self.assertRaises(Conflict, self.values.load, node, reference)


class TestMemory(LargeValueBehaviour, testtools.TestCase):
    def open_store(self) -> MemoryStore:
        return MemoryStore()


class SQLCase(LargeValueBehaviour, testtools.TestCase):
    url = ""

    def open_store(self) -> SQLStore:
        store = SQLStore(self.url, table_prefix=new_prefix())
        store.open()
        self.addCleanup(store.close)
        return store

    def test_values_are_sealed_and_their_keys_can_be_renewed(self) -> None:
        """No part of a value is in clear in the database."""
        folder = Path(self.useFixture(TempDir()).path)
        key_file = folder / "key"
        store = self.open_store()
        store.seal_with(box := FernetBox(key_file))
        self.store, self.values = store, LargeValues(store)
        node = self.node().uuid
        reference = self.values.save(node, CONFIG_DRIVE, {"user_data": "tiger" * PART_CHARS})
        self.assertEqual({"node value part": 6}, dict(store.count_sealed_rows(lambda sealed: True)))
        with store.database.reading() as connection:
            table = store._schema.of_kind[NodeValuePartRecord]
            self.assertFalse(any("tiger" in row.content for row in connection.execute(table.select())))
        key_file.write_bytes(Fernet.generate_key() + b"\n" + key_file.read_bytes())
        box.reload()
        self.assertEqual(6, store.renew_seals())
        key_file.write_bytes(key_file.read_bytes().partition(b"\n")[0])
        box.reload()
        self.assertEqual({"user_data": "tiger" * PART_CHARS}, self.values.load(node, reference))


class TestSQLite(SQLCase):
    def open_store(self) -> SQLStore:
        self.url = f"sqlite:///{self.useFixture(TempDir()).path}/nodes.db"
        return super().open_store()


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class TestServer(SQLCase):
    url = SERVER_URL


del LargeValueBehaviour, SQLCase
