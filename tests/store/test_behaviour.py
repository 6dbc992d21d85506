"""One suite for all stores: their callers see no difference between them."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from testtools import TestCase

from baremetal_sdk.store import MemoryStore
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SERVER_URL, ServerTables, SteppedClock
from tests.store.events import ConcurrentEventBehaviour, EventBehaviour
from tests.store.kinds import RecordBehaviour
from tests.store.leases import LeaseBehaviour
from tests.store.listings import ListingBehaviour
from tests.store.nodes import NodeBehaviour
from tests.store.ports import ConductorBehaviour, PortBehaviour


class MemoryStoreTest(
    NodeBehaviour, LeaseBehaviour, PortBehaviour, ConductorBehaviour, RecordBehaviour, ListingBehaviour, EventBehaviour, TestCase
):
    """In memory."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = SteppedClock()
        self.store = MemoryStore(self.clock)
        self.store.open()
        self.addCleanup(self.store.close)


class SQLiteStoreTest(
    NodeBehaviour, LeaseBehaviour, PortBehaviour, ConductorBehaviour, RecordBehaviour, ListingBehaviour, EventBehaviour, TestCase
):
    """In a file."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.clock = SteppedClock()
        self.store = SQLStore(f"sqlite:///{Path(directory.name) / 'nodes.db'}", clock=self.clock)
        self.store.open()
        self.addCleanup(self.store.close)


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class ServerStoreTest(
    NodeBehaviour,
    LeaseBehaviour,
    PortBehaviour,
    ConductorBehaviour,
    RecordBehaviour,
    ListingBehaviour,
    ConcurrentEventBehaviour,
    TestCase,
):
    """On a database server."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = SteppedClock()
        self.prefix = ServerTables.empty()
        self.store = self.another_store()

    def another_store(self) -> SQLStore:
        """Return a second store on the same tables, as another process would open it."""
        store = SQLStore(SERVER_URL, clock=self.clock, table_prefix=self.prefix)
        store.open()
        self.addCleanup(store.close)
        return store
