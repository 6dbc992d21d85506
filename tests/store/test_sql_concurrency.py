"""Concurrent threads and processes on the SQL store."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from testtools import TestCase

from baremetal_interfaces import NodeLocked
from baremetal_sdk.errors import LeaseLost, RevisionConflict
from baremetal_sdk.store import NodeQuery, NodeRecord, PortRecord, Query
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SERVER_URL, ServerTables, new_mac, new_uuid

THREADS = 8
BOUND = 60.0
"""Seconds after which a waiting thread or process is considered to hang."""

WRITER = """
import sys, uuid
from baremetal_sdk.store import NodeRecord, PortRecord
from baremetal_sdk.store.sql.store import SQLStore
store = SQLStore(sys.argv[1], table_prefix=sys.argv[2])
store.open()
while True:
    node = store.create_node(NodeRecord(uuid=str(uuid.uuid4()), extra={"text": "x" * 3000}), fence=None)
    lease, _ = store.take_lease(node.uuid, holder="h/1", purpose="write", duration=60)
    address = ":".join(uuid.uuid4().hex[index : index + 2] for index in range(0, 12, 2))
    store.create_port(PortRecord(str(uuid.uuid4()), node.uuid, address), fence=lease.fence)
    store.update_node(node.uuid, {"owner": "done"}, fence=lease.fence)
    store.release_lease(lease.fence)
    print(node.uuid, flush=True)
"""


class ConcurrencyBehaviour:
    """Several writers of the database at *url*."""

    url: str
    prefix: str
    store: SQLStore

    def another_store(self: Any) -> SQLStore:
        store = SQLStore(self.url, table_prefix=self.prefix)
        store.open()
        self.addCleanup(store.close)
        return store

    def run_together(self: Any, work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
        """Run *work* in many threads that begin at the same time, and return the results."""
        barrier = threading.Barrier(threads)

        def run(number: int) -> Any:
            barrier.wait(BOUND)
            return work(number)

        with ThreadPoolExecutor(threads) as pool:
            return [future.result(BOUND) for future in [pool.submit(run, number) for number in range(threads)]]

    def node(self: Any) -> NodeRecord:
        return self.store.create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_exactly_one_takes_a_lease(self: Any) -> None:
        """One of many concurrent callers gets the lease, and each lease has the next epoch."""
        node = self.node()
        stores = [self.store, self.another_store()]

        def take(number: int) -> Any:
            try:
                return stores[number % 2].take_lease(node.uuid, holder=f"c/{number}", purpose="race", duration=60)[0]
            except NodeLocked:
                return None

        epochs = []
        for _ in range(20):
            (winner,) = [lease for lease in self.run_together(take) if lease is not None]
            epochs.append(winner.epoch)
            self.store.release_lease(winner.fence)
        self.assertEqual(list(range(1, 21)), epochs)

    def test_no_update_is_lost(self: Any) -> None:
        """Concurrent increments under the read revision lose no increment."""
        node = self.node()
        stores = [self.store, self.another_store()]

        def count(number: int) -> int:
            store, conflicts = stores[number % 2], 0
            for _ in range(10):
                while True:
                    read = store.node(node.uuid)
                    try:
                        store.update_node(node.uuid, {"run_attempt": read.run_attempt + 1}, fence=None, revision=read.revision)
                        break
                    except RevisionConflict:
                        conflicts += 1
            return conflicts

        self.run_together(count)
        self.assertEqual(80, self.store.node(node.uuid).run_attempt)
        self.assertEqual(80, self.store.node(node.uuid).revision)

    def test_lost_lease_cannot_write(self: Any) -> None:
        """A write under an old fence is rejected once the next lease is taken, in any interleaving."""
        node = self.node()
        lease, _ = self.store.take_lease(node.uuid, holder="c/old", purpose="old", duration=60)

        def work(number: int) -> Any:
            if number == 0:
                self.store.release_lease(lease.fence)
                return self.store.take_lease(node.uuid, holder="c/new", purpose="new", duration=60)[1]
            try:
                return self.store.update_node(node.uuid, {"owner": str(number)}, fence=lease.fence)
            except LeaseLost:
                return None

        under_new_lease = self.run_together(work)[0]
        now = self.store.node(node.uuid)
        self.assertEqual(under_new_lease.owner, now.owner)
        self.assertEqual(under_new_lease.revision, now.revision)

    def test_one_of_many_gets_a_name(self: Any) -> None:
        """One of many concurrent creations with the same name succeeds, and the others leave no node."""
        stores = [self.store, self.another_store()]

        def create(number: int) -> str | None:
            try:
                return stores[number % 2].create_node(NodeRecord(uuid=new_uuid(), name="wanted"), fence=None).uuid
            except Exception as exc:
                self.assertEqual("DuplicateName", type(exc).__name__)
                return None

        (winner,) = [uuid for uuid in self.run_together(create) if uuid is not None]
        self.assertEqual([winner], [row.uuid for row in self.store.nodes(NodeQuery())])

    def test_many_threads_read_while_others_write(self: Any) -> None:
        """A hundred reading threads neither exhaust the connections nor see a partial write."""
        node = self.node()

        def work(number: int) -> None:
            for turn in range(3):
                if number % 10 == 0:
                    self.store.update_node(node.uuid, {"owner": f"{number}.{turn}", "lessee": f"{number}.{turn}"}, fence=None)
                read = self.store.node(node.uuid)
                self.assertEqual(read.owner, read.lessee)
                self.assertEqual(1, len(self.store.nodes(NodeQuery())))

        self.run_together(work, threads=100)

    def test_port_is_created_before_its_node_is_deleted_or_not(self: Any) -> None:
        """A port whose creation races with the deletion of its node never stays without the node."""
        nodes = [self.node() for _ in range(10)]
        others = self.another_store()

        def work(number: int) -> None:
            for node in nodes:
                try:
                    if number == 0:
                        others.delete_node(node.uuid, fence=None)
                    else:
                        self.store.create_port(PortRecord(new_uuid(), node.uuid, new_mac()), fence=None)
                except Exception as exc:
                    self.assertEqual("NodeNotFound", type(exc).__name__)

        self.run_together(work)
        self.assertEqual([], list(self.store.ports(Query())))

    def test_killed_writer_leaves_a_consistent_database(self: Any) -> None:
        """After SIGKILL all acknowledged writes are stored completely, and no write is stored in part."""
        written: set[str] = set()
        for count in (1, 7, 25):
            written |= self.kill_writer(count)
            self.check_integrity()
            done = {row.uuid for row in self.store.nodes(NodeQuery(where={"owner": "done"}))}
            self.assertEqual(set(), written - done)
            with_port = {row.node_uuid for row in self.store.ports(Query())}
            self.assertEqual(set(), done - with_port)

    def kill_writer(self: Any, count: int) -> set[str]:
        """Kill a process in the middle of a write and return the writes that it had acknowledged."""
        process = subprocess.Popen([sys.executable, "-c", WRITER, self.url, self.prefix], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout as output:
            written = {line.strip() for line in itertools.islice(output, count)}
            process.send_signal(signal.SIGKILL)
            written |= {line.strip() for line in output if line.endswith("\n")}
        self.assertEqual(-signal.SIGKILL, process.wait(BOUND))
        return written

    def check_integrity(self) -> None:
        """Check the integrity of the database where it offers such a check."""


class SQLiteConcurrencyTest(ConcurrencyBehaviour, TestCase):
    """Concurrency on a file."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "nodes.db"
        self.url, self.prefix = f"sqlite:///{self.path}", "bm_"
        self.store = self.another_store()

    def check_integrity(self) -> None:
        connection = sqlite3.connect(self.path)
        try:
            self.assertEqual([("ok",)], connection.execute("PRAGMA integrity_check").fetchall())
            self.assertEqual([], connection.execute("PRAGMA foreign_key_check").fetchall())
        finally:
            connection.close()


@unittest.skipUnless(SERVER_URL, "BAREMETAL_TEST_DATABASE names no database")
class ServerConcurrencyTest(ConcurrencyBehaviour, TestCase):
    """Concurrency on a database server."""

    def setUp(self) -> None:
        super().setUp()
        self.url, self.prefix = SERVER_URL, ServerTables.empty()
        self.store = self.another_store()
