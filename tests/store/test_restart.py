"""Restarts and deadlocks of a database server during many writes."""

from __future__ import annotations

import threading
import time
from typing import Any
from unittest import skipIf

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from testtools import TestCase

from baremetal_sdk.errors import RevisionConflict, StoreUnavailable
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.records.node import NodeUpdate
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures import mariadb, postgresql
from tests.fixtures.stores import new_uuid

WRITERS = 4
BOUND = 60.0
MORE = 20
"""Number of writes of each writer before and after a restart."""


class Writer(threading.Thread):
    """Thread that increments a number in a node, each time from the revision that it read. Other threads do the same."""

    def __init__(self, store: SQLStore, node: str) -> None:
        super().__init__(daemon=True)
        self.store, self.node = store, node
        self.kept = self.unknown = 0
        self.errors: list[Exception] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Count until the thread is stopped."""
        while not self.stopping.is_set():
            try:
                self.count()
            except StoreUnavailable:
                # The connection was lost during the commit, so the outcome is unknown.
                self.unknown += 1
            except Exception as exc:
                self.errors.append(exc)
                return

    def count(self) -> None:
        """Count once."""
        read = self.store.node(self.node)
        try:
            self.store.update_node(self.node, {"run_attempt": read.run_attempt + 1}, fence=None, revision=read.revision)
        except RevisionConflict:
            return
        self.kept += 1


class RestartBehaviour:
    """Rules for each kind of database server."""

    server: Any

    @property
    def engine(self: Any) -> Engine:
        """Return an engine for connections that bypass the store."""
        if self._engine is None:
            self._engine = create_engine(self.server.url)
            self.addCleanup(self._engine.dispose)
        engine: Engine = self._engine
        return engine

    _engine: Engine | None = None

    def opened(self: Any) -> SQLStore:
        store = SQLStore(self.server.url)
        store.open()
        self.addCleanup(store.close)
        return store

    def wait_for_more(self: Any, writers: list[Writer]) -> None:
        wanted = [writer.kept + MORE for writer in writers]
        end = time.monotonic() + BOUND
        while any(writer.kept < count for writer, count in zip(writers, wanted, strict=True)):
            self.assertEqual([], [error for writer in writers for error in writer.errors])
            self.assertLess(time.monotonic(), end)
            threading.Event().wait(0.02)

    def test_no_update_is_lost_when_the_server_is_restarted(self: Any) -> None:
        """Writers survive a restart: each acknowledged write is stored once, and other stored writes are those of unknown
        outcome.
        """
        stores = [self.opened(), self.opened()]
        node = stores[0].create_node(NodeRecord(uuid=new_uuid()), fence=None).uuid
        writers = [Writer(stores[number % 2], node) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(2):
            self.wait_for_more(writers)
            self.server.restart()
        self.wait_for_more(writers)
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(BOUND)
        kept, unknown = sum(writer.kept for writer in writers), sum(writer.unknown for writer in writers)
        record = stores[0].node(node)
        self.assertEqual(record.run_attempt, record.revision)
        self.assertTrue(kept <= record.run_attempt <= kept + unknown, (kept, record.run_attempt, unknown))
        self.assertLessEqual(unknown, 2 * WRITERS)

    def test_deadlocked_transactions_are_retried(self: Any) -> None:
        """When the server aborts a transaction because of a deadlock, the store retries it and the caller gets no error."""
        store = self.opened()
        nodes = sorted(store.create_node(NodeRecord(uuid=new_uuid()), fence=None).uuid for _ in range(2))
        with self.engine.connect() as other:
            other.execute(text("UPDATE bm_nodes SET lessee = 'other' WHERE uuid = :last"), {"last": nodes[1]})
            writing = threading.Thread(target=self.write, args=(store, nodes), daemon=True)
            writing.start()
            self.wait_for_lock(nodes[0])
            try:
                other.execute(text("UPDATE bm_nodes SET lessee = 'other' WHERE uuid = :first"), {"first": nodes[0]})
                other.commit()
            except DBAPIError:
                other.rollback()
        writing.join(BOUND)
        self.assertFalse(writing.is_alive())
        self.assertEqual(["ours", "ours"], [store.node(uuid).owner for uuid in nodes])

    def write(self, store: SQLStore, nodes: list[str]) -> None:
        """Write to all nodes in the order of their UUIDs. The revisions are those of new nodes."""
        store.update_nodes([NodeUpdate(uuid, 0, {"owner": "ours"}) for uuid in nodes])

    def wait_for_lock(self: Any, node: str) -> None:
        """Wait until another transaction has written to the node and has not committed."""
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            with self.engine.connect() as asking:
                try:
                    asking.execute(text("SELECT uuid FROM bm_nodes WHERE uuid = :uuid FOR UPDATE NOWAIT"), {"uuid": node})
                except DBAPIError:
                    return
            threading.Event().wait(0.01)
        raise AssertionError("nobody has written to the node")

    def test_bulk_updates_of_the_same_nodes_do_not_deadlock(self: Any) -> None:
        """Bulk updates lock nodes in one order, whatever order the caller passes, so the server aborts none."""
        store = self.opened()
        nodes = [store.create_node(NodeRecord(uuid=new_uuid()), fence=None).uuid for _ in range(20)]
        written = [0, 0]
        errors: list[Exception] = []

        def write(turn: int) -> None:
            try:
                for _ in range(10):
                    updates = [NodeUpdate(uuid, store.node(uuid).revision, {"owner": str(turn)}) for uuid in nodes]
                    done = store.update_nodes(updates if turn else updates[::-1])
                    written[turn] += sum(record is not None for record in done)
            except Exception as exc:
                errors.append(exc)

        threads = [threading.Thread(target=write, args=(turn,), daemon=True) for turn in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND)
        self.assertEqual([], errors)
        self.assertEqual(sum(written), sum(store.node(uuid).revision for uuid in nodes))


@skipIf(postgresql.missing(), postgresql.missing() or "")
class PostgreSQLRestartTest(RestartBehaviour, TestCase):
    """Restarts of PostgreSQL."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.useFixture(postgresql.PostgreSQL())


@skipIf(mariadb.missing(), mariadb.missing() or "")
class MariaDBRestartTest(RestartBehaviour, TestCase):
    """Restarts of MariaDB."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.useFixture(mariadb.MariaDB())
