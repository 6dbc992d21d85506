"""The poller: two queues of nodes, and the listing of nodes."""

from __future__ import annotations

from collections.abc import Sequence

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_interfaces import BMCUnreachable
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.polling.poller import Poller, PollResult
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.testing import ManualClock

TIMEOUT_S = 10.0
INTERVAL_S = 60.0


class TestPoller(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.pool = ElasticPool(4, {"work": LaneLimits()})
        self.addCleanup(self.pool.close, TIMEOUT_S)
        self.results: dict[str, PollResult | Exception] = {}
        self.polled: list[str] = []
        self.poller = Poller("test", self.pool["work"], self.clock, interval=INTERVAL_S, read_rows=self.read_rows, poll=self.poll)
        self.poller.keep({"node"})

    def read_rows(self, nodes: Sequence[str]) -> list[Row]:
        return [Row({"uuid": node}) for node in nodes]

    def poll(self, row: Row) -> PollResult:
        self.polled.append(row.uuid)
        result = self.results.get(row.uuid, PollResult())
        if isinstance(result, Exception):
            raise result
        return result

    def advance(self, seconds: float) -> None:
        """Advance the clock, and poll the nodes that are due."""
        self.clock.turn(seconds)
        self.poller.start_workers(1.0, max_reachable=1, max_unreachable=1)
        self.assertTrue(self.pool.drain(TIMEOUT_S))

    def test_an_unreachable_node_changes_its_queue(self) -> None:
        """A node whose BMC does not answer is in the queue for unreachable BMCs until a poll succeeds."""
        self.results["node"] = PollResult(is_unreachable=True, error=BMCUnreachable("no answer"))
        self.advance(INTERVAL_S)
        self.assertEqual(1, self.poller.unreachable_nodes)
        self.assertEqual(1, self.poller.nodes)
        del self.results["node"]
        self.advance(INTERVAL_S * 1.1)
        self.assertEqual(0, self.poller.unreachable_nodes)
        self.assertEqual(["node", "node"], self.polled)

    def test_a_busy_node_stays_in_its_queue(self) -> None:
        """A poll that learns nothing about the BMC is repeated after its own delay, in the same queue."""
        self.results["node"] = PollResult(is_unreachable=True)
        self.advance(INTERVAL_S)
        self.results["node"] = PollResult(is_unreachable=None, retry_in_s=2.0)
        self.advance(INTERVAL_S * 1.1)
        self.assertEqual(1, self.poller.unreachable_nodes)
        self.advance(2.0)
        self.assertEqual(3, len(self.polled))

    def test_an_error_of_the_poll_function_loses_no_node(self) -> None:
        """An unexpected error is logged, and the node is polled again after its interval."""
        self.useFixture(FakeLogger("baremetal_sdk"))
        self.results["node"] = ValueError("unexpected")
        self.advance(INTERVAL_S)
        self.advance(INTERVAL_S * 1.1)
        self.assertEqual(["node", "node"], self.polled)

    def test_a_failed_listing_is_repeated(self) -> None:
        """A listing that fails is repeated at the next call; one that succeeded, after the minimum interval."""
        listings: list[str] = []

        def fail() -> None:
            raise ValueError("store is down")

        self.assertRaises(ValueError, self.poller.relist, fail, min_interval=10.0)
        self.poller.relist(lambda: listings.append("first"), min_interval=10.0)
        self.poller.relist(lambda: listings.append("too early"), min_interval=10.0)
        self.clock.turn(10.0)
        self.poller.relist(lambda: listings.append("second"), min_interval=10.0)
        self.assertEqual(["first", "second"], listings)

    def test_an_expired_listing_is_repeated(self) -> None:
        """After ``expire_listing`` the next call lists the nodes, even if that was requested during a listing."""
        listings: list[int] = []
        self.poller.relist(self.poller.expire_listing, min_interval=10.0)
        self.poller.relist(lambda: listings.append(1), min_interval=10.0)
        self.assertEqual([1], listings)
