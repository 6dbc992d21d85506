"""The backlog of background work, and the recovery of a large fleet that uses it."""

from __future__ import annotations

import threading
from functools import partial

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_sdk import states
from baremetal_sdk.concurrency.backlog import Backlog
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.records.query import NodeQuery
from baremetal_sdk.testing import settle
from tests.fixtures.machines import MachinesCase

TIMEOUT_S = 10.0


def raise_error(error: Exception, _: str) -> None:
    raise error


class TestBacklog(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ElasticPool(4, {"work": LaneLimits(queue=1)})
        self.gate = threading.Event()
        self.addCleanup(self.pool.close, TIMEOUT_S)
        self.addCleanup(self.gate.set)
        self.backlog = Backlog(self.pool["work"])
        self.done: list[str] = []

    def hold(self, key: str) -> None:
        self.gate.wait(TIMEOUT_S)
        self.done.append(key)

    def test_it_uses_half_of_the_workers_and_none_of_the_queue(self) -> None:
        """However much work is added, half of the workers and the whole queue of the lane stay free."""
        for number in range(1000):
            self.backlog.add(str(number), self.hold)
        seen = self.pool["work"].statistics
        self.assertEqual((2, 0), (seen.busy, seen.queued))
        self.gate.set()
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertEqual((1000, 0), (len(set(self.done)), len(self.backlog)))

    def test_a_key_runs_once_at_a_time(self) -> None:
        """A key that is pending or running is not added again; a key that has ended is."""
        for _ in range(5):
            self.backlog.add("one", self.hold)
        self.gate.set()
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.backlog.add("one", self.hold)
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertEqual(["one", "one"], self.done)

    def test_a_store_that_is_away_is_one_line_of_the_log(self) -> None:
        """Work that fails because of the store has no traceback in the log, and other work has one."""
        log = self.useFixture(FakeLogger("baremetal_sdk"))
        for error in (StoreUnavailable("the database cannot be used"), ValueError("a fault")):
            self.backlog.add("one", partial(raise_error, error))
            self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertIn("background work on one failed: the database cannot be used\nbackground work on one failed\n", log.output)
        self.assertEqual(1, log.output.count("Traceback"))

    def test_an_error_loses_neither_worker_nor_key(self) -> None:
        """After any error, SystemExit included, the other work runs and the key can be added again."""
        self.useFixture(FakeLogger("baremetal_sdk"))

        def leave(_: str) -> None:
            raise SystemExit(1)

        self.backlog.add("first", leave)
        self.backlog.add("second", self.done.append)
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.backlog.add("first", self.done.append)
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertEqual({"first", "second"}, set(self.done))

    def test_work_waits_while_the_lane_is_full(self) -> None:
        """A full lane raises no error: the work begins at the next ``start_workers``."""
        held = [self.pool["work"].submit(self.gate.wait, TIMEOUT_S) for _ in range(5)]
        self.backlog.add("late", self.done.append)
        self.gate.set()
        for future in held:
            future.result(TIMEOUT_S)
        self.assertEqual([], self.done)
        self.backlog.start_workers()
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertEqual(["late"], self.done)


class TestFleet(MachinesCase):
    def test_recovery_handles_more_nodes_than_the_queue_holds(self) -> None:
        """A conductor ends all deployments of a dead predecessor, with correct states, even if they exceed the lane's queue."""
        self.useFixture(FakeLogger("baremetal_sdk"))
        first = self.conductor(host="first")
        store = first.store
        count = first.pool["provisioning"].limits.queue + 50
        for number in range(count):
            node = self.enroll(first, f"n{number}")
            state = {"provision_state": states.DEPLOYING, "target_provision_state": states.ACTIVE}
            store.update_node(node.uuid, {**state, **steps.NO_RUN}, fence=None)
        first.stop()
        second = self.conductor(host="second", handed_in={"store": store})
        settle(second, 120.0)
        rows = store.nodes(NodeQuery(fields=("provision_state", "power_state", "last_error", "lease_holder")))
        self.assertEqual(
            {("deploy failed", "power off", None)}, {(r.provision_state, r.power_state, r.lease_holder) for r in rows}
        )
        self.assertTrue(all("the conductor stopped while it worked on the node" in (row.last_error or "") for row in rows))
