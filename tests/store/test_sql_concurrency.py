"""What threads and processes do to the SQL store at the same time."""

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
from tests.fixtures.stores import SERVER_URL, new_mac, new_prefix, new_uuid

THREADS = 8
BOUND = 60.0
"""Seconds after which something that waits is taken to hang."""

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
    """Several writers of one database, at *url*."""

    url: str
    prefix: str
    store: SQLStore

    def another_store(self: Any) -> SQLStore:
        store = SQLStore(self.url, table_prefix=self.prefix)
        store.open()
        self.addCleanup(store.close)
        return store

    def together(self: Any, work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
        """What *work* gives back in each of many threads that begin at the same moment."""
        barrier = threading.Barrier(threads)

        def run(number: int) -> Any:
            barrier.wait(BOUND)
            return work(number)

        with ThreadPoolExecutor(threads) as pool:
            return [future.result(BOUND) for future in [pool.submit(run, number) for number in range(threads)]]

    def node(self: Any) -> NodeRecord:
        return self.store.create_node(NodeRecord(uuid=new_uuid()), fence=None)

    def test_exactly_one_takes_a_lease(self: Any) -> None:
        """Of many who want a lease one gets it each time, and each lease has the next epoch."""
        node = self.node()
        stores = [self.store, self.another_store()]

        def take(number: int) -> Any:
            try:
                return stores[number % 2].take_lease(node.uuid, holder=f"c/{number}", purpose="race", duration=60)[0]
            except NodeLocked:
                return None

        epochs = []
        for _ in range(20):
            (winner,) = [lease for lease in self.together(take) if lease is not None]
            epochs.append(winner.epoch)
            self.store.release_lease(winner.fence)
        self.assertEqual(list(range(1, 21)), epochs)

    def test_no_update_is_lost(self: Any) -> None:
        """Counting up under the revision that was read gives the number of counts."""
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

        self.together(count)
        self.assertEqual((80, 80), (self.store.node(node.uuid).run_attempt, self.store.node(node.uuid).revision))

    def test_whoever_lost_a_lease_writes_nothing(self: Any) -> None:
        """However lease and write interleave, a write under an old fence is refused from the next lease on."""
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

        under_new_lease = self.together(work)[0]
        now = self.store.node(node.uuid)
        self.assertEqual((under_new_lease.owner, under_new_lease.revision), (now.owner, now.revision))

    def test_one_name_goes_to_one(self: Any) -> None:
        """Of many who want a name one gets it; the others are told, and no node of theirs stays."""
        stores = [self.store, self.another_store()]

        def create(number: int) -> str | None:
            try:
                return stores[number % 2].create_node(NodeRecord(uuid=new_uuid(), name="wanted"), fence=None).uuid
            except Exception as exc:
                self.assertEqual("DuplicateName", type(exc).__name__)
                return None

        (winner,) = [uuid for uuid in self.together(create) if uuid is not None]
        self.assertEqual([winner], [row.uuid for row in self.store.nodes(NodeQuery())])

    def test_many_threads_read_while_others_write(self: Any) -> None:
        """A hundred threads neither exhaust the connections nor see half a write."""
        node = self.node()

        def work(number: int) -> None:
            for turn in range(3):
                if number % 10 == 0:
                    self.store.update_node(node.uuid, {"owner": f"{number}.{turn}", "lessee": f"{number}.{turn}"}, fence=None)
                read = self.store.node(node.uuid)
                self.assertEqual(read.owner, read.lessee)
                self.assertEqual(1, len(self.store.nodes(NodeQuery())))

        self.together(work, threads=100)

    def test_node_and_port_never_part(self: Any) -> None:
        """A port is created before its node is deleted, or not at all."""
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

        self.together(work)
        self.assertEqual([], list(self.store.ports(Query())))

    def test_killed_writer_leaves_a_consistent_database(self: Any) -> None:
        """After kill -9 all that was said to be written is there, and nothing is half there."""
        written: set[str] = set()
        for count in (1, 7, 25):
            written |= self.killed_after(count)
            self.check_integrity()
            done = {row.uuid for row in self.store.nodes(NodeQuery(where={"owner": "done"}))}
            self.assertEqual(set(), written - done)
            with_port = {row.node_uuid for row in self.store.ports(Query())}
            self.assertEqual(set(), done - with_port)

    def killed_after(self: Any, count: int) -> set[str]:
        """What a process had written when it was killed in the middle of the next write."""
        process = subprocess.Popen([sys.executable, "-c", WRITER, self.url, self.prefix], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout as output:
            written = {line.strip() for line in itertools.islice(output, count)}
            process.send_signal(signal.SIGKILL)
            written |= {line.strip() for line in output if line.endswith("\n")}
        self.assertEqual(-signal.SIGKILL, process.wait(BOUND))
        return written

    def check_integrity(self) -> None:
        """Where a database can be asked for it."""


class SQLiteConcurrencyTest(ConcurrencyBehaviour, TestCase):
    """In a file."""

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
    """On a database server."""

    def setUp(self) -> None:
        super().setUp()
        self.url, self.prefix = SERVER_URL, new_prefix()
        self.store = self.another_store()
