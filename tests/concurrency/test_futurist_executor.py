"""A lane as futurist's users receive it, with futurist's own PeriodicWorker."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import fixtures
from testtools import ExpectedException, TestCase

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # futurist would import it into the process of all tests

import futurist
from futurist import periodics, rejection, waiters

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.concurrency.futurist_executor import FuturistExecutor
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.testing import quick_options

SOON = 10.0


class FuturistCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ElasticPool(2, {"small": LaneLimits(cap=1, queue=1), "other": LaneLimits(cap=1, queue=0)})
        self.gate = threading.Event()
        self.addCleanup(self.pool.close, SOON)
        self.addCleanup(self.gate.set)
        self.lane = self.pool["small"]

    def block(self) -> None:
        """Have the lane's only worker busy until the gate opens."""
        begun = threading.Event()

        def hold() -> None:
            begun.set()
            self.gate.wait(SOON)

        self.lane.submit(hold)
        self.assertTrue(begun.wait(SOON))


class TestExecutor(FuturistCase):
    def test_work_is_done_and_counted_as_futurist_counts(self) -> None:
        """The statistics are futurist's class, and count runs, failures and time."""
        executor = FuturistExecutor(self.lane)
        self.assertEqual(3, executor.submit(sum, (1, 2)).result(SOON))
        self.assertIsInstance(executor.submit(int, "x").exception(SOON), ValueError)
        self.assertTrue(self.pool.drain(SOON))
        statistics = executor.statistics
        self.assertIsInstance(statistics, futurist.ExecutorStatistics)
        self.assertEqual((2, 1, 0), (statistics.executed, statistics.failures, statistics.cancelled))
        self.assertGreater(statistics.average_runtime, 0.0)

    def test_its_futures_are_waited_for_with_futurist(self) -> None:
        """futurist's waiters take the futures of a lane."""
        executor = FuturistExecutor(self.lane)
        done = waiters.wait_for_all([executor.submit(abs, -1), executor.submit(abs, -2)], timeout=SOON).done
        self.assertEqual({1, 2}, {future.result() for future in done})

    def test_a_full_lane_rejects_in_futurists_words(self) -> None:
        """What futurist's users catch is what is raised; the message still names the lane and its limits."""
        executor = FuturistExecutor(self.lane)
        self.block()
        executor.submit(abs, 1)
        with ExpectedException(futurist.RejectedSubmission, "lane 'small' .* 1 busy, 1 queued"):
            executor.submit(abs, 1)

    def test_check_and_reject_decides_before_the_lane_does(self) -> None:
        """futurist.rejection's functions work as with futurist's executors: they see the backlog."""
        self.block()
        executor = FuturistExecutor(self.lane, rejection.reject_when_reached(1))
        waits = executor.submit(abs, -5)
        self.assertEqual((1, 1), (executor.queue_size, executor.num_workers))
        with ExpectedException(futurist.RejectedSubmission, "Current backlog 1 .*beyond 1"):
            executor.submit(abs, 1)
        self.gate.set()
        self.assertEqual(5, waits.result(SOON))

    def test_shutdown_detaches_and_leaves_the_lane(self) -> None:
        """The executor is over for its holder; what it submitted ends, and others go on with the lane."""
        with FuturistExecutor(self.lane) as executor:
            self.block()
            waits = executor.submit(abs, -5)
        self.assertFalse(executor.alive)
        self.assertRaises(RuntimeError, executor.submit, abs, 1)
        self.gate.set()
        self.assertEqual(5, waits.result(SOON))
        self.assertEqual(1, self.lane.submit(abs, -1).result(SOON))

    def test_it_ends_with_its_pool(self) -> None:
        """Once the pool is closed, it is not alive."""
        executor = FuturistExecutor(self.lane)
        self.assertTrue(executor.alive)
        self.pool.close(SOON)
        self.assertFalse(executor.alive)


class TestPeriodicWorker(FuturistCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger("futurist", level=logging.ERROR))
        self.useFixture(fixtures.FakeLogger("baremetal_sdk"))

    def start(self, callback: Callable[[], Any], executor: FuturistExecutor) -> periodics.PeriodicWorker:
        """futurist's worker, in a thread of its own that ends with the test."""
        worker = periodics.PeriodicWorker([(callback, (), {})], executor_factory=lambda: executor)
        thread = threading.Thread(target=worker.start, daemon=True)
        thread.start()
        self.addCleanup(thread.join, SOON)
        self.addCleanup(worker.stop)
        return worker

    def test_it_runs_callbacks_on_the_lane(self) -> None:
        """Callbacks run again and again, on the threads of the pool, and the worker stops without ending the pool."""
        times = threading.Semaphore(0)
        threads: set[str] = set()

        @periodics.periodic(spacing=0.01, run_immediately=True)
        def tick() -> None:
            threads.add(threading.current_thread().name)
            times.release()

        executor = FuturistExecutor(self.lane)
        worker = self.start(tick, executor)
        for _ in range(3):
            self.assertTrue(times.acquire(timeout=SOON))
        worker.stop()
        self.assertTrue(worker.wait(SOON))
        self.assertEqual({"small"}, {name.rpartition("-")[2] for name in threads})
        self.assertEqual(1, self.lane.submit(abs, -1).result(SOON))

    def test_a_failing_callback_goes_on(self) -> None:
        """An exception of a callback is futurist's to log, and costs neither the callback nor a thread."""
        times = threading.Semaphore(0)

        @periodics.periodic(spacing=0.01, run_immediately=True)
        def fails() -> None:
            times.release()
            raise ValueError("broken")

        self.start(fails, FuturistExecutor(self.lane))
        for _ in range(2):
            self.assertTrue(times.acquire(timeout=SOON))

    def test_what_a_full_lane_refuses_is_no_hot_loop(self) -> None:
        """A callback that is to run at once and is refused is tried a few times a second, and runs when there is room."""
        ran, refused = threading.Event(), threading.Semaphore(0)

        def reject(executor: FuturistExecutor, backlog: int) -> None:
            if not self.gate.is_set():
                refused.release()
                raise futurist.RejectedSubmission("not yet")

        @periodics.periodic(spacing=60, run_immediately=True)
        def tick() -> None:
            ran.set()

        self.start(tick, FuturistExecutor(self.lane, reject, pause_when_refused=0.2))
        for _ in range(3):
            self.assertTrue(refused.acquire(timeout=SOON))
        # Without a pause there are thousands by now.
        self.assertLessEqual(self.log.output.count("Failed to submit"), 3)
        self.gate.set()
        self.assertTrue(ran.wait(SOON))

    def test_an_exit_in_a_callback_costs_the_pool_no_worker(self) -> None:
        """futurist loses a callback that raises SystemExit; the lane has all its workers after that."""
        begun = threading.Event()

        @periodics.periodic(spacing=60, run_immediately=True)
        def leave() -> None:
            begun.set()
            raise SystemExit(3)

        worker = periodics.PeriodicWorker([(leave, (), {})], executor_factory=lambda: FuturistExecutor(self.lane))
        threading.Thread(target=worker.start, daemon=True).start()
        self.assertTrue(begun.wait(SOON))
        self.assertTrue(self.pool.drain(SOON))
        self.assertEqual(1, self.lane.submit(abs, -1).result(SOON))
        worker.stop()


class FuturistHost:
    def __init__(self) -> None:
        self.reported = threading.Event()

    @periodics.periodic(spacing=0.01)
    def report(self) -> None:
        self.reported.set()


class TestDecorator(TestCase):
    def test_methods_under_futurists_decorator_are_run(self) -> None:
        """A host that comes from futurist adds what it has: its periodics are run as our own are."""
        host = FuturistHost()
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(host)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        self.assertTrue(host.reported.wait(10.0))
