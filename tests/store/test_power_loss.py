"""SQLite stores and power failures: which changes survive, and how commits share a flush of the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import skipIf

from testtools import TestCase

from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures import power_loss

WRITERS = 4
WRITER_SCRIPT = """
import os, sys, threading, uuid
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.sql.store import SQLStore

store = SQLStore(sys.argv[1], sqlite_synchronous=sys.argv[2] == "True")
store.open()
output = threading.Lock()


def report(*words):
    with output:
        print(*words, flush=True)


def write():
    for number in range(int(sys.argv[4])):
        node = NodeRecord(uuid=str(uuid.uuid4()), driver="fake-hardware")
        try:
            store.create_node(node, fence=None)
        except StoreUnavailable as exc:
            report("failed", str(exc))
        else:
            report("stored", node.uuid)


writers = [threading.Thread(target=write) for _ in range(int(sys.argv[3]))]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
report("finished")
"""


class WriterTestCase(TestCase):
    """Test case with a process that writes to an SQLite store on a simulated disk."""

    flush_time = 0.0
    """Time that a flush of the disk takes, in seconds."""

    def setUp(self) -> None:
        super().setUp()
        self.disk = self.useFixture(power_loss.PowerLossDisk(self.flush_time))
        self.url = f"sqlite:///{self.disk.root}/nodes.db"

    @contextmanager
    def write(self, *, synchronous: bool = True, writers: int = WRITERS, count: int = 1_000_000) -> Iterator[Iterator[list[str]]]:
        """Run a process whose threads create nodes. Yield its reports, split into words, and kill it after the block."""
        command = [sys.executable, "-c", WRITER_SCRIPT, self.url, str(synchronous), str(writers), str(count)]
        environment = {**os.environ, **self.disk.environment}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            try:
                yield (line.split(maxsplit=1) for line in process.stdout)
            finally:
                process.send_signal(signal.SIGKILL)


@skipIf(power_loss.missing(), power_loss.missing() or "")
class TestPowerLoss(WriterTestCase):
    """The process is killed, and changes that it did not flush are lost."""

    def write_and_lose_power(self, count: int, *, synchronous: bool = True) -> set[str]:
        """Return the UUIDs of *count* nodes that the process reported as stored before the power failure."""
        with self.write(synchronous=synchronous) as reports:
            stored = {next(reports)[1].strip() for _ in range(count)}
        self.disk.lose_power()
        return stored

    def find_nodes(self, uuids: set[str]) -> set[str]:
        """Return those of *uuids* that the database has."""
        store = SQLStore(self.url)
        store.open()
        self.addCleanup(store.close)
        with store.database.reading() as connection:
            found = {row[0] for row in connection.exec_driver_sql("SELECT uuid FROM bm_nodes")}
        return found & uuids

    def test_a_stored_change_survives_a_power_failure(self) -> None:
        """A node that create_node() has returned is in the database after a power failure, also after several of them."""
        stored: set[str] = set()
        for count in (1, 40, 200):
            stored |= self.write_and_lose_power(count)
            self.assertEqual(stored, self.find_nodes(stored))

    def test_without_synchronous_writes_changes_are_lost(self) -> None:
        """The simulated disk loses changes that are not flushed, so the test above can fail."""
        stored = self.write_and_lose_power(40, synchronous=False)
        self.assertEqual(set(), self.find_nodes(stored))

    def test_changes_after_a_failed_flush_survive(self) -> None:
        """After a flush fails, changes are reported as failed. Changes that are stored later survive a power failure."""
        stored: set[str] = set()
        with self.write() as reports:
            stored |= {next(reports)[1].strip() for _ in range(20)}
            self.disk.fail()
            failure = next(words[1] for words in reports if words[0] == "failed")
            self.disk.heal()
            after = (words[1].strip() for words in reports if words[0] == "stored")
            # Reports of changes before the failure may still be in the pipe, so many are read.
            stored |= {next(after) for _ in range(150)}
        self.assertIn("could not be flushed to the disk (Input/output error)", failure)
        self.disk.lose_power()
        self.assertEqual(stored, self.find_nodes(stored))

    def test_the_key_and_a_backup_survive_a_power_failure(self) -> None:
        """The key file and a finished backup are complete after a power failure."""
        script = (
            "import sys; from pathlib import Path; from baremetal_sdk.store import FernetBox\n"
            "from baremetal_sdk.store.sql.store import SQLStore; from baremetal_sdk.store.sql.backup import back_up\n"
            "root = Path(sys.argv[2]); FernetBox(root / 'key'); SQLStore(sys.argv[1]).open()\n"
            "back_up(sys.argv[1], root / 'backup.db')"
        )
        environment = {**os.environ, **self.disk.environment}
        subprocess.run([sys.executable, "-c", script, self.url, str(self.disk.root)], env=environment, check=True)
        key = (self.disk.root / "key").read_bytes()
        backup = (self.disk.root / "backup.db").read_bytes()
        self.disk.lose_power()
        self.assertEqual(key, (self.disk.root / "key").read_bytes())
        self.assertEqual(backup, (self.disk.root / "backup.db").read_bytes())


@skipIf(power_loss.missing(), power_loss.missing() or "")
class TestSharedFlush(WriterTestCase):
    """Commits of several threads share a flush."""

    flush_time = 0.02

    def test_threads_that_write_at_once_share_flushes(self) -> None:
        """Eight threads that commit 20 times each need less than half as many flushes as commits."""
        with self.write(writers=8, count=20) as reports:
            first = next(reports)
            before = self.disk.flushes
            words = {report[0].strip() for report in (first, *reports)}
        self.assertEqual({"stored", "finished"}, words)
        self.assertLess(self.disk.flushes - before, 80)
