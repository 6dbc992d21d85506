"""The number of workers follows latency and CPU time."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.polling.worker_limit import WorkerLimit


class TestWorkerLimit(TestCase):
    def test_needed_workers_follow_littles_law(self) -> None:
        """The number of workers is the due polls times the latency, divided by the available time."""
        limit = WorkerLimit()
        for _ in range(1000):
            limit.record_poll(0.5, 0.5, 0.0001)
        self.assertAlmostEqual(50, limit.count_needed(100, 1.0, 1000), delta=1)
        self.assertAlmostEqual(25, limit.count_needed(100, 2.0, 1000), delta=1)
        self.assertEqual(0, limit.count_needed(0, 1.0, 1000))
        self.assertEqual(20, limit.count_needed(100, 1.0, 20))

    def test_needed_workers_are_limited_by_cpu_time(self) -> None:
        """If a poll is mostly CPU time of this process, few workers are needed."""
        limit = WorkerLimit()
        for _ in range(1000):
            limit.record_poll(0.4, 0.1, 0.01)
        self.assertLess(limit.count_needed(10_000, 1.0, 1000), 15)

    def test_surplus_workers_end(self) -> None:
        """Workers beyond the useful number are told to end; the others continue."""
        limit = WorkerLimit()
        for _ in range(100):
            limit.try_add(100)
        kept = [limit.record_poll(0.1, 0.1, 0.004) for _ in range(200)]
        self.assertEqual(100 - kept.count(False), limit.size)
        self.assertLess(limit.size, 25)
        self.assertTrue(limit.record_poll(0.1, 0.1, 0.004))

    def test_workers_are_limited_by_the_maximum(self) -> None:
        """No worker is added beyond the maximum; a worker that ends makes another possible."""
        limit = WorkerLimit()
        self.assertEqual([True, True, False], [limit.try_add(2) for _ in range(3)])
        limit.remove()
        self.assertTrue(limit.try_add(2))
