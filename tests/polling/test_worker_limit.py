"""The limit of workers follows latency and CPU time."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.polling.worker_limit import WorkerLimit


class TestWorkerLimit(TestCase):
    def test_workers_follow_what_is_due_and_how_long_it_takes(self) -> None:
        """By Little's law: due reads, times the seconds of one, in the seconds that there are."""
        crew = WorkerLimit()
        for _ in range(1000):
            crew.took(0.5, 0.5, 0.0001)
        self.assertAlmostEqual(50, crew.wanted(100, 1.0, 1000), delta=1)
        self.assertAlmostEqual(25, crew.wanted(100, 2.0, 1000), delta=1)
        self.assertEqual(0, crew.wanted(0, 1.0, 1000))
        self.assertEqual(20, crew.wanted(100, 1.0, 20))

    def test_more_than_the_interpreter_has_use_for_are_never_wanted(self) -> None:
        """Where a read is mostly this process's own work, few workers do it all."""
        crew = WorkerLimit()
        for _ in range(1000):
            crew.took(0.4, 0.1, 0.01)
        self.assertLess(crew.wanted(10_000, 1.0, 1000), 15)

    def test_those_who_are_more_than_useful_leave(self) -> None:
        """What they would do, others have taken over; who stays is told so."""
        crew = WorkerLimit()
        for _ in range(100):
            crew.join(100)
        told = [crew.took(0.1, 0.1, 0.004) for _ in range(200)]
        self.assertEqual(100 - told.count(False), crew.size)
        self.assertLess(crew.size, 25)
        self.assertTrue(crew.took(0.1, 0.1, 0.004))

    def test_no_more_join_than_may(self) -> None:
        """Who leaves makes room."""
        crew = WorkerLimit()
        self.assertEqual([True, True, False], [crew.join(2) for _ in range(3)])
        crew.leave()
        self.assertTrue(crew.join(2))
