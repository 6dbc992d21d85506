"""Much that has to be done on few workers, and the recovery of a fleet by it."""

from __future__ import annotations

import threading

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_sdk import states
from baremetal_sdk.concurrency.backlog import Backlog
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.records.query import NodeQuery
from baremetal_sdk.testing import settle
from tests.fixtures.machines import MachinesCase

BOUND = 10.0


class TestBacklog(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ElasticPool(4, {"work": LaneLimits(queue=1)})
        self.gate = threading.Event()
        self.addCleanup(self.pool.close, BOUND)
        self.addCleanup(self.gate.set)
        self.backlog = Backlog(self.pool["work"])
        self.done: list[str] = []

    def hold(self, key: str) -> None:
        self.gate.wait(BOUND)
        self.done.append(key)

    def test_it_takes_half_of_the_workers_and_nothing_of_the_queue(self) -> None:
        """However much is added, others find workers and room."""
        for number in range(1000):
            self.backlog.add(str(number), self.hold)
        seen = self.pool["work"].statistics
        self.assertEqual((2, 0), (seen.busy, seen.queued))
        self.gate.set()
        self.assertTrue(self.pool.drain(BOUND))
        self.assertEqual((1000, 0), (len(set(self.done)), len(self.backlog)))

    def test_a_key_is_worked_on_once_at_a_time(self) -> None:
        """What is to be done, or being done, is not added again; afterwards it is."""
        for _ in range(5):
            self.backlog.add("one", self.hold)
        self.gate.set()
        self.assertTrue(self.pool.drain(BOUND))
        self.backlog.add("one", self.hold)
        self.assertTrue(self.pool.drain(BOUND))
        self.assertEqual(["one", "one"], self.done)

    def test_an_error_costs_neither_worker_nor_key(self) -> None:
        """Whatever is raised, SystemExit included, the rest is done."""
        self.useFixture(FakeLogger("baremetal_sdk"))

        def leave(_: str) -> None:
            raise SystemExit(1)

        self.backlog.add("first", leave)
        self.backlog.add("second", self.done.append)
        self.assertTrue(self.pool.drain(BOUND))
        self.backlog.add("first", self.done.append)
        self.assertTrue(self.pool.drain(BOUND))
        self.assertEqual({"first", "second"}, set(self.done))

    def test_without_room_it_begins_later(self) -> None:
        """A full lane is no error: the work begins when it is asked for again."""
        held = [self.pool["work"].submit(self.gate.wait, BOUND) for _ in range(5)]
        self.backlog.add("late", self.done.append)
        self.gate.set()
        for future in held:
            future.result(BOUND)
        self.assertEqual([], self.done)
        self.backlog.start_workers()
        self.assertTrue(self.pool.drain(BOUND))
        self.assertEqual(["late"], self.done)


class TestFleet(MachinesCase):
    def test_more_dead_work_than_a_queue_holds_ends_truthful(self) -> None:
        """A conductor starts over what a predecessor left that died in thousands of deployments, and ends them all."""
        self.useFixture(FakeLogger("baremetal_sdk"))
        first = self.conductor(host="first")
        store = first.store
        count = first.pool["provisioning"].limits.queue + 50
        for number in range(count):
            node = self.enrol(first, f"n{number}")
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
