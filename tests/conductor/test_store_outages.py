"""Work of a conductor while its store is away: nothing counts as failed, and all of it continues afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk import Conductor
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store import MemoryStore, NodeQuery, NodeRecord
from baremetal_sdk.store.records.kinds import AllocationRecord
from baremetal_sdk.store.records.node import Fence
from baremetal_sdk.store.records.query import Row, Scope
from baremetal_sdk.store.waiting import is_failing_fast
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase

BOUND_S = 30.0


class InterruptedStore(MemoryStore):
    """A store of which the operations in :attr:`away` fail. It records whether reads of nodes fail fast."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()
        self.refused = threading.Event()
        """Set once an operation has failed."""
        self.fail_fast: list[bool] = []

    def _check(self, operation: str) -> None:
        if operation in self.away:
            self.refused.set()
            raise StoreUnavailable("away")

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        self._check("node")
        self.fail_fast.append(is_failing_fast())
        return super().node(ident, scope=scope)

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        self._check("nodes")
        return super().nodes(query, scope=scope)

    def release_lease(self, fence: Fence) -> None:
        self._check("release_lease")
        super().release_lease(fence)


class StoreOutageTest(MachinesCase):
    """Rules for a conductor with an interrupted store."""

    def setUp(self) -> None:
        super().setUp()
        self.store = InterruptedStore()

    def start(self, **options: Any) -> Conductor:
        return self.conductor(handed_in={"store": self.store, **options.pop("handed_in", {})}, **options)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + BOUND_S
        while not condition():
            self.assertLess(time.monotonic(), end)
            threading.Event().wait(0.02)

    def test_a_lease_that_could_not_be_released_is_released_later(self) -> None:
        """After the outage the next renewal releases the lease, so that the node need not wait for its expiry."""
        conductor = self.start()
        node = self.enroll(conductor)
        with conductor.acquire(node.uuid, purpose="test"):
            self.store.away = {"release_lease"}
        self.assertIsNotNone(self.store.node(node.uuid).lease_holder)
        self.store.away = set()
        conductor.components.tasks.renew()
        self.assertIsNone(self.store.node(node.uuid).lease_holder)

    def test_an_outage_is_no_failure_of_a_bmc(self) -> None:
        """Power sync that cannot read the node counts no failure, and the node stays out of maintenance."""
        clock = ManualClock()
        conductor = self.start(handed_in={"clock": clock}, power_state_sync_max_retries=0)
        node = self.enroll(conductor, "m1", power_interface="fake-bmc").uuid
        provision(conductor, node, "manage")
        conductor.components.power_sync.tick()
        self.store.away = {"node"}
        clock.turn(70.0)
        conductor.components.power_sync.tick()
        settle(conductor)
        self.assertTrue(self.store.refused.is_set())
        self.store.away = set()
        record = self.store.node(node)
        self.assertEqual((False, None), (record.maintenance, record.fault))

    def test_an_allocation_survives_an_outage(self) -> None:
        """A search that finds the store away is repeated, and the allocation gets its node."""
        conductor = self.start()
        node = self.enroll(conductor, "m1", resource_class="small").uuid
        provision(conductor, node, "manage", "provide")
        self.store.away = {"nodes"}
        created = conductor.rpc.call("create_allocation", values={"resource_class": "small"})
        self.assertTrue(self.store.refused.wait(BOUND_S))
        settle(conductor)
        self.store.away = set()
        self.wait_until(lambda: self.store.record(AllocationRecord, created.uuid).state != "allocating")
        self.assertEqual("active", self.store.record(AllocationRecord, created.uuid).state)

    def test_calls_fail_fast_and_their_background_work_waits(self) -> None:
        """An RPC call does not wait for the store, because its caller waits. Work that it starts on another thread does."""
        conductor = self.start()
        node = self.enroll(conductor)
        self.store.fail_fast.clear()
        conductor.rpc.call("get_boot_device", node=node.uuid)
        self.assertEqual({True}, set(self.store.fail_fast))
        self.store.fail_fast.clear()
        conductor.enqueue(node.uuid, lambda task: self.store.node(node.uuid), purpose="test").result(BOUND_S)
        self.assertEqual({False}, set(self.store.fail_fast))
