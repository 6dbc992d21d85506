"""Outages of the database: requests fail fast, work waits, and the store finds the database again by itself."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import skipIf

from testtools import TestCase

from baremetal_sdk.errors import StoreFull, StoreUnavailable
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.sql.availability import Availability, DiskSpace
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.store.waiting import failing_fast
from tests.fixtures import postgresql
from tests.fixtures.stores import new_uuid

BOUND_S = 60.0
SOON_S = 12.0
"""Seconds in which a request has failed for sure. The store needs two; a loaded machine needs more. Work waits for 15."""


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        threading.Event().wait(0.02)


class Background(threading.Thread):
    """A call on another thread, with its result or its error."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        super().__init__(daemon=True)
        self._call = lambda: function(*arguments, **named)
        self.result: Any = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Call the function."""
        try:
            self.result = self._call()
        except Exception as exc:
            self.error = exc


class AvailabilityTest(TestCase):
    """The circuit breaker by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.probe_fails = threading.Event()
        self.probes: list[float] = []
        self.availability = Availability("the database", self.probe, work_wait_s=BOUND_S)
        self.addCleanup(self.availability.close)

    def probe(self) -> None:
        self.probes.append(time.monotonic())
        if self.probe_fails.is_set():
            raise OSError("refused")

    def test_a_lost_connection_to_a_running_database_is_no_outage(self) -> None:
        """If the first probe succeeds, callers may repeat their transaction, and nothing is logged."""
        with self.assertNoLogs("baremetal_sdk.store", "INFO"):
            self.availability.report("connection reset")
            self.assertTrue(self.availability.wait_for_return(BOUND_S, fail_fast=True))
        self.availability.check()

    def test_requests_do_not_wait_for_a_database_that_is_away(self) -> None:
        """After the first failed probe, requests and checks fail at once, with the reason of the outage."""
        self.probe_fails.set()
        self.availability.report("connection refused")
        self.assertFalse(self.availability.wait_for_return(BOUND_S, fail_fast=True))
        error = self.assertRaises(StoreUnavailable, self.availability.check)
        self.assertEqual("connection refused", str(error))
        self.assertIsNotNone(error.retry_after)

    def test_work_is_woken_when_the_database_returns(self) -> None:
        """Work that waits continues as soon as a probe succeeds."""
        self.probe_fails.set()
        self.availability.report("connection refused")
        waiting = Background(self.availability.wait_for_return, BOUND_S, fail_fast=False)
        wait_until(lambda: self.availability.error is not None)
        self.probe_fails.clear()
        waiting.join(BOUND_S)
        self.assertIs(True, waiting.result)
        self.assertIsNone(self.availability.error)

    def test_one_thread_probes_and_the_log_gets_two_lines(self) -> None:
        """However many callers fail, one thread probes, and an outage has one line at its start and one at its end."""
        self.probe_fails.set()
        before = threading.active_count()
        with self.assertLogs("baremetal_sdk.store", "INFO") as log:
            for _ in range(100):
                self.availability.report("connection refused")
            wait_until(lambda: self.availability.error is not None)
            self.assertLessEqual(threading.active_count(), before + 1)
            self.probe_fails.clear()
            wait_until(lambda: self.availability.error is None and len(log.records) == 2)
        self.assertEqual([logging.WARNING, logging.INFO], [record.levelno for record in log.records])


class DiskSpaceTest(TestCase):
    """A full disk."""

    def test_a_full_disk_is_noticed_and_has_space_again(self) -> None:
        """After a refused write the disk is full until a probe finds space, without another write."""
        has_space = threading.Event()

        def probe() -> None:
            if not has_space.is_set():
                raise OSError("no space")

        space = DiskSpace("the database", probe, interval_s=0.01)
        self.addCleanup(space.close)
        self.assertIsNone(space.error)
        space.report("no space left")
        self.assertIsInstance(space.error, StoreFull)
        has_space.set()
        wait_until(lambda: space.error is None)

    def test_refused_writes_keep_the_disk_full(self) -> None:
        """While writes are refused, a probe that finds a little space changes nothing."""
        probes: list[None] = []

        def probe() -> None:
            probes.append(None)
            if len(probes) <= 5:
                space.report("no space left")

        space = DiskSpace("the database", probe, interval_s=0.01)
        self.addCleanup(space.close)
        space.report("no space left")
        wait_until(lambda: len(probes) > 4)
        self.assertIsNotNone(space.error if len(probes) <= 5 else StoreFull("passed"))
        wait_until(lambda: space.error is None)
        self.assertGreaterEqual(len(probes), 6)


class LockedFileTest(TestCase):
    """An SQLite file that another process locks."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "nodes.db"
        self.store = SQLStore(f"sqlite:///{self.path}")
        self.store.open()
        self.addCleanup(self.store.close)
        self.node = self.store.create_node(NodeRecord(uuid=new_uuid()), fence=None).uuid
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.other.close)
        self.other.execute("BEGIN IMMEDIATE")

    def request(self) -> None:
        with failing_fast():
            self.store.update_node(self.node, {"owner": "client"}, fence=None)

    def test_requests_fail_fast_and_work_waits(self) -> None:
        """Many requests fail soon, reads go on, and work that waits is done once the lock is released."""
        began = time.monotonic()
        work = Background(self.store.update_node, self.node, {"owner": "work"}, fence=None)
        requests = [Background(self.request) for _ in range(10)]
        for request in requests:
            request.join(BOUND_S)
        self.assertLess(time.monotonic() - began, SOON_S)
        for request in requests:
            self.assertIsInstance(request.error, StoreUnavailable)
        self.assertEqual(self.node, self.store.node(self.node).uuid)
        self.assertIsInstance(self.store.problem, StoreUnavailable)
        self.assertTrue(work.is_alive())
        self.other.execute("ROLLBACK")
        work.join(BOUND_S)
        self.assertIsNone(work.error)
        self.assertEqual("work", self.store.node(self.node).owner)
        wait_until(lambda: self.store.problem is None)


@skipIf(postgresql.missing(), postgresql.missing() or "")
class ServerOutageTest(TestCase):
    """A database server that refuses connections or that is frozen."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.useFixture(postgresql.PostgreSQL())
        self.store = SQLStore(self.server.url, connections=4)
        self.store.open()
        self.addCleanup(self.store.close)
        self.node = self.store.create_node(NodeRecord(uuid=new_uuid()), fence=None).uuid

    def request(self) -> None:
        with failing_fast():
            self.store.node(self.node)

    def check_outage(self, end: Callable[[], None]) -> None:
        """Check that requests fail soon, more of them than there are connections, and that work continues after *end*."""
        began = time.monotonic()
        work = Background(self.store.update_node, self.node, {"owner": "work"}, fence=None)
        requests = [Background(self.request) for _ in range(10)]
        for request in requests:
            request.join(BOUND_S)
        self.assertLess(time.monotonic() - began, SOON_S)
        for request in requests:
            self.assertIsInstance(request.error, StoreUnavailable)
        self.assertIsInstance(self.store.problem, StoreUnavailable)
        self.assertTrue(work.is_alive())
        end()
        work.join(BOUND_S)
        self.assertIsNone(work.error)
        wait_until(lambda: self.store.problem is None)
        self.request()
        self.assertEqual("work", self.store.node(self.node).owner)

    def test_a_server_that_refuses_connections(self) -> None:
        """Requests fail soon, and work continues when the server is back."""
        self.server.stop()
        self.check_outage(self.server.start)

    def test_a_frozen_server(self) -> None:
        """Requests that wait for an answer are broken off, and work continues when the server answers."""
        self.server.freeze()
        self.check_outage(self.server.thaw)

    def test_a_slow_statement_on_a_server_that_answers_is_left_alone(self) -> None:
        """A request that waits for a row lock for longer than requests wait for the database is not broken off."""
        with self.store._database.writing() as connection:
            connection.exec_driver_sql("SELECT uuid FROM bm_nodes FOR UPDATE")

            def request() -> None:
                with failing_fast():
                    self.store.update_node(self.node, {"owner": "client"}, fence=None)

            waiting = Background(request)
            waiting.join(4.0)
            self.assertTrue(waiting.is_alive())
        waiting.join(BOUND_S)
        self.assertIsNone(waiting.error)
