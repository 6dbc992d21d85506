"""Choosing a store by configuration."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import MemoryStore, NodeRecord, open_store
from tests.fixtures.stores import TurnedClock, new_uuid


class FactoryTest(TestCase):
    """A URL, or none."""

    def test_without_a_url_nodes_are_kept_in_memory(self) -> None:
        """The store in memory uses the clock that is handed in."""
        clock = TurnedClock()
        store = open_store(None, clock=clock)
        self.assertIsInstance(store, MemoryStore)
        self.assertEqual(clock.now(), store.create_node(NodeRecord(uuid=new_uuid()), fence=None).created_at)

    def test_url_gives_an_open_store(self) -> None:
        """What is given back can be used at once, and keeps what it is given."""
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite:///{Path(directory) / 'nodes.db'}"
            store = open_store(url, clock=TurnedClock())
            node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
            store.close()
            again = open_store(url, clock=TurnedClock())
            self.assertEqual(node, again.node(node.uuid))
            again.close()

    def test_wrong_url_is_a_matter_of_configuration(self) -> None:
        """What is no URL names the option."""
        self.assertIn("[database] connection", str(self.assertRaises(ConfigurationError, open_store, "nodes.db")))

    def test_memory_does_not_import_what_it_does_not_use(self) -> None:
        """Without a database neither SQLAlchemy nor Alembic nor cryptography is loaded."""
        code = (
            "import sys, baremetal_sdk.store as store; store.open_store(None); store.PlainBox();"
            "print([name for name in ('sqlalchemy', 'alembic', 'cryptography') if name in sys.modules])"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
        self.assertEqual("[]", output.strip())
