"""The limit of workers follows latency and CPU time."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.polling.worker_limit import WorkerLimit


class TestWorkerLimit(TestCase):
    def test_workers_follow_what_is_due_and_how_long_it_takes(self) -> None:
        """By Little's law: due reads, times the seconds of one, in the seconds that there are."""
        limit = WorkerLimit()
        for _ in range(1000):
            limit.record_poll(0.5, 0.5, 0.0001)
        self.assertAlmostEqual(50, limit.count_needed(100, 1.0, 1000), delta=1)
        self.assertAlmostEqual(25, limit.count_needed(100, 2.0, 1000), delta=1)
        self.assertEqual(0, limit.count_needed(0, 1.0, 1000))
        self.assertEqual(20, limit.count_needed(100, 1.0, 20))

    def test_more_than_the_interpreter_has_use_for_are_never_wanted(self) -> None:
        """Where a read is mostly this process's own work, few workers do it all."""
        limit = WorkerLimit()
        for _ in range(1000):
            limit.record_poll(0.4, 0.1, 0.01)
        self.assertLess(limit.count_needed(10_000, 1.0, 1000), 15)

    def test_those_who_are_more_than_useful_leave(self) -> None:
        """What they would do, others have taken over; who stays is told so."""
        limit = WorkerLimit()
        for _ in range(100):
            limit.try_add(100)
        told = [limit.record_poll(0.1, 0.1, 0.004) for _ in range(200)]
        self.assertEqual(100 - told.count(False), limit.size)
        self.assertLess(limit.size, 25)
        self.assertTrue(limit.record_poll(0.1, 0.1, 0.004))

    def test_no_more_join_than_may(self) -> None:
        """Who leaves makes room."""
        limit = WorkerLimit()
        self.assertEqual([True, True, False], [limit.try_add(2) for _ in range(3)])
        limit.remove()
        self.assertTrue(limit.try_add(2))
