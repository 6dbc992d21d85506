"""The futurist adapter of a lane, tested with futurist's own PeriodicWorker."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import fixtures
from testtools import ExpectedException, TestCase

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # keeps futurist from importing it

import futurist
from futurist import periodics, rejection, waiters

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.concurrency.futurist_executor import FuturistExecutor
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.testing import quick_options

TIMEOUT_S = 10.0


class FuturistCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ElasticPool(2, {"small": LaneLimits(cap=1, queue=1), "other": LaneLimits(cap=1, queue=0)})
        self.gate = threading.Event()
        self.addCleanup(self.pool.close, TIMEOUT_S)
        self.addCleanup(self.gate.set)
        self.lane = self.pool["small"]

    def block(self) -> None:
        """Keep the lane's only worker busy until the gate opens."""
        begun = threading.Event()

        def hold() -> None:
            begun.set()
            self.gate.wait(TIMEOUT_S)

        self.lane.submit(hold)
        self.assertTrue(begun.wait(TIMEOUT_S))


class TestExecutor(FuturistCase):
    def test_statistics_are_those_of_futurist(self) -> None:
        """The statistics are of futurist's class, and count runs, failures and time."""
        executor = FuturistExecutor(self.lane)
        self.assertEqual(3, executor.submit(sum, (1, 2)).result(TIMEOUT_S))
        self.assertIsInstance(executor.submit(int, "x").exception(TIMEOUT_S), ValueError)
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        statistics = executor.statistics
        self.assertIsInstance(statistics, futurist.ExecutorStatistics)
        self.assertEqual((2, 1, 0), (statistics.executed, statistics.failures, statistics.cancelled))
        self.assertGreater(statistics.average_runtime, 0.0)

    def test_futurist_can_wait_for_the_futures(self) -> None:
        """futurist's waiters accept the futures of a lane."""
        executor = FuturistExecutor(self.lane)
        done = waiters.wait_for_all([executor.submit(abs, -1), executor.submit(abs, -2)], timeout=TIMEOUT_S).done
        self.assertEqual({1, 2}, {future.result() for future in done})

    def test_a_full_lane_raises_futurists_error(self) -> None:
        """A full lane raises futurist's ``RejectedSubmission``, whose message names the lane and its load."""
        executor = FuturistExecutor(self.lane)
        self.block()
        executor.submit(abs, 1)
        with ExpectedException(futurist.RejectedSubmission, "lane 'small' .* 1 busy, 1 queued"):
            executor.submit(abs, 1)

    def test_check_and_reject_runs_before_the_submission(self) -> None:
        """Functions of ``futurist.rejection`` work as with futurist's own executors: they see the queue length."""
        self.block()
        executor = FuturistExecutor(self.lane, rejection.reject_when_reached(1))
        waits = executor.submit(abs, -5)
        self.assertEqual((1, 1), (executor.queue_size, executor.num_workers))
        with ExpectedException(futurist.RejectedSubmission, "Current backlog 1 .*beyond 1"):
            executor.submit(abs, 1)
        self.gate.set()
        self.assertEqual(5, waits.result(TIMEOUT_S))

    def test_shutdown_leaves_the_lane_open(self) -> None:
        """After a shutdown the executor accepts no work, its submitted work ends, and the lane works for other users."""
        with FuturistExecutor(self.lane) as executor:
            self.block()
            waits = executor.submit(abs, -5)
        self.assertFalse(executor.alive)
        self.assertRaises(RuntimeError, executor.submit, abs, 1)
        self.gate.set()
        self.assertEqual(5, waits.result(TIMEOUT_S))
        self.assertEqual(1, self.lane.submit(abs, -1).result(TIMEOUT_S))

    def test_it_is_not_alive_after_its_pool(self) -> None:
        """An executor of a closed pool is not alive."""
        executor = FuturistExecutor(self.lane)
        self.assertTrue(executor.alive)
        self.pool.close(TIMEOUT_S)
        self.assertFalse(executor.alive)


class TestPeriodicWorker(FuturistCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger("futurist", level=logging.ERROR))
        self.useFixture(fixtures.FakeLogger("baremetal_sdk"))

    def start(self, callback: Callable[[], Any], executor: FuturistExecutor) -> periodics.PeriodicWorker:
        """Start futurist's worker in its own thread, which ends with the test."""
        worker = periodics.PeriodicWorker([(callback, (), {})], executor_factory=lambda: executor)
        thread = threading.Thread(target=worker.start, daemon=True)
        thread.start()
        self.addCleanup(thread.join, TIMEOUT_S)
        self.addCleanup(worker.stop)
        return worker

    def test_it_runs_callbacks_on_the_lane(self) -> None:
        """Callbacks run repeatedly on threads of the pool, and the worker stops without ending the pool."""
        times = threading.Semaphore(0)
        threads: set[str] = set()

        @periodics.periodic(spacing=0.01, run_immediately=True)
        def tick() -> None:
            threads.add(threading.current_thread().name)
            times.release()

        executor = FuturistExecutor(self.lane)
        worker = self.start(tick, executor)
        for _ in range(3):
            self.assertTrue(times.acquire(timeout=TIMEOUT_S))
        worker.stop()
        self.assertTrue(worker.wait(TIMEOUT_S))
        self.assertEqual({"small"}, {name.rpartition("-")[2] for name in threads})
        self.assertEqual(1, self.lane.submit(abs, -1).result(TIMEOUT_S))

    def test_a_failing_callback_runs_again(self) -> None:
        """An exception of a callback is logged by futurist, and ends neither the callback nor a thread."""
        times = threading.Semaphore(0)

        @periodics.periodic(spacing=0.01, run_immediately=True)
        def fails() -> None:
            times.release()
            raise ValueError("broken")

        self.start(fails, FuturistExecutor(self.lane))
        for _ in range(2):
            self.assertTrue(times.acquire(timeout=TIMEOUT_S))

    def test_a_refused_callback_is_not_retried_in_a_busy_loop(self) -> None:
        """A callback that is refused at its start is retried a few times per second, and runs when a worker is free."""
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
            self.assertTrue(refused.acquire(timeout=TIMEOUT_S))
        # Without a pause there would be thousands by now.
        self.assertLessEqual(self.log.output.count("Failed to submit"), 3)
        self.gate.set()
        self.assertTrue(ran.wait(TIMEOUT_S))

    def test_an_exit_in_a_callback_ends_no_worker(self) -> None:
        """futurist drops a callback that raises SystemExit, and the lane keeps all its workers."""
        begun = threading.Event()

        @periodics.periodic(spacing=60, run_immediately=True)
        def leave() -> None:
            begun.set()
            raise SystemExit(3)

        worker = periodics.PeriodicWorker([(leave, (), {})], executor_factory=lambda: FuturistExecutor(self.lane))
        threading.Thread(target=worker.start, daemon=True).start()
        self.assertTrue(begun.wait(TIMEOUT_S))
        self.assertTrue(self.pool.drain(TIMEOUT_S))
        self.assertEqual(1, self.lane.submit(abs, -1).result(TIMEOUT_S))
        worker.stop()


class FuturistHost:
    def __init__(self) -> None:
        self.reported = threading.Event()

    @periodics.periodic(spacing=0.01)
    def report(self) -> None:
        self.reported.set()


class TestDecorator(TestCase):
    def test_methods_with_futurists_decorator_run(self) -> None:
        """A conductor runs the methods that an added object declares with futurist's decorator."""
        host = FuturistHost()
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(host)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        self.assertTrue(host.reported.wait(10.0))
