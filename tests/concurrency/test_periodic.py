"""The timer and periodic work."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import Any

from testtools import ExpectedException, TestCase

from baremetal_interfaces import Busy
from baremetal_sdk.concurrency.periodic import Periodic, find_periodic_methods, periodic
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.testing import ManualClock


class HandTimer(Timer):
    """A timer without a thread. A test calls ``fire_due``."""

    def _run(self) -> None:
        return


class Inline(Executor):
    """An executor that runs each function at once, or refuses it."""

    def __init__(self) -> None:
        self.refusing = False
        self.refusal: Exception = Busy("full", retry_after=1.0)
        self.runs = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.refusing:
            raise self.refusal
        self.runs += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as exc:
            future.set_exception(exc)
        return future


class TestTimer(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.timer = HandTimer(clock=self.clock)
        self.done: list[str] = []

    def test_calls_are_made_when_due_and_in_order(self) -> None:
        """Calls are made in the order of their times, and not before."""
        self.timer.after(2.0, lambda: self.done.append("second"))
        self.timer.after(1.0, lambda: self.done.append("first"))
        self.assertEqual(0, self.timer.fire_due())
        self.clock.turn(2.0)
        self.assertEqual(2, self.timer.fire_due())
        self.assertEqual(["first", "second"], self.done)

    def test_a_cancelled_call_is_not_made(self) -> None:
        """A call that is cancelled before its time is not made."""
        self.timer.after(1.0, lambda: self.done.append("never")).cancel()
        self.clock.turn(1.0)
        self.assertEqual((0, []), (self.timer.fire_due(), self.done))

    def test_an_error_does_not_end_the_timer(self) -> None:
        """A call that fails, even with SystemExit, does not prevent the next call."""
        self.timer.after(1.0, lambda: (_ for _ in ()).throw(SystemExit))
        self.timer.after(1.0, lambda: self.done.append("next"))
        self.clock.turn(1.0)
        self.timer.fire_due()
        self.assertEqual(["next"], self.done)

    def test_a_real_timer_fires_by_itself(self) -> None:
        """The timer's own thread makes the calls that are due."""
        timer, fired = Timer(), threading.Event()
        self.addCleanup(timer.close)
        timer.after(0.0, fired.set)
        self.assertTrue(fired.wait(10.0))


class TestPeriodic(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.timer = HandTimer(clock=self.clock)
        self.executor = Inline()
        self.failing = self.exiting = self.store_is_away = False

    def begin(self) -> Periodic:
        return self.begin_job(10.0)

    def begin_job(self, every: float, *, backs_off: bool = True) -> Periodic:
        job = Periodic(self.run_once, every, timer=self.timer, executor=self.executor, name="test", backs_off=backs_off)
        job.start(spread=0.0)
        return job

    def run_once(self) -> None:
        if self.exiting:
            raise SystemExit
        if self.failing:
            raise ValueError("failing")
        if self.store_is_away:
            raise StoreUnavailable("away")

    def turn(self, seconds: float) -> int:
        self.clock.turn(seconds)
        return self.timer.fire_due()

    def test_it_runs_again_after_each_interval(self) -> None:
        """The function runs once in each interval."""
        self.begin()
        self.turn(0.0)
        self.turn(10.0)
        self.turn(9.9)
        self.assertEqual(2, self.executor.runs)

    def test_a_refused_run_is_retried_after_an_interval(self) -> None:
        """If the pool refuses a run, the next attempt follows one interval later."""
        self.executor.refusing = True
        self.begin()
        self.assertEqual(1, self.turn(0.0))
        self.assertEqual(0, self.turn(5.0))
        self.executor.refusing = False
        self.turn(5.0)
        self.assertEqual(1, self.executor.runs)

    def test_failures_back_off_until_a_success(self) -> None:
        """Each failure in a row doubles the interval; a successful run restores it."""
        self.failing = True
        job = self.begin()
        self.turn(0.0)
        self.turn(10.0)
        self.assertEqual((1, 1), (self.executor.runs, job.failures))
        self.failing = False
        self.turn(10.0)
        self.assertEqual((2, 0), (self.executor.runs, job.failures))
        self.turn(10.0)
        self.assertEqual(3, self.executor.runs)

    def test_a_sign_of_life_never_backs_off(self) -> None:
        """Without back-off, each run follows one interval after the run before, whatever the number of failures."""
        self.failing = True
        self.begin_job(10.0, backs_off=False)
        self.turn(0.0)
        for _ in range(20):
            self.turn(10.0)
        self.assertEqual(21, self.executor.runs)

    def test_work_resumes_soon_after_the_store_has_returned(self) -> None:
        """However long the store was away and however long the interval is, the next run follows within 10 seconds."""
        self.store_is_away = True
        job = self.begin_job(86400.0)
        self.turn(0.0)
        for _ in range(20):
            self.turn(10.0)
        self.assertEqual((21, 0), (self.executor.runs, job.failures))
        self.store_is_away = False
        self.turn(10.0)
        self.assertEqual(22, self.executor.runs)
        self.turn(86399.0)
        self.assertEqual(22, self.executor.runs)

    def test_a_job_logs_one_line_for_an_outage_of_the_store(self) -> None:
        """Runs that fail because the store is away write one line, and no traceback."""
        self.store_is_away = True
        with self.assertLogs("baremetal_sdk.concurrency.periodic", "INFO") as log:
            self.begin()
            self.turn(0.0)
            for _ in range(5):
                self.turn(10.0)
        self.assertEqual(["WARNING:baremetal_sdk.concurrency.periodic:periodic test has to wait for the store: away"], log.output)

    def test_an_exit_does_not_lose_the_next_run(self) -> None:
        """SystemExit in a run counts as a failure, and the next run is scheduled."""
        self.exiting = True
        job = self.begin()
        self.turn(0.0)
        self.assertEqual(1, job.failures)
        self.exiting = False
        self.turn(20.0)
        self.assertEqual((2, 0), (self.executor.runs, job.failures))

    def test_any_error_of_the_executor_schedules_the_next_run(self) -> None:
        """An executor that was shut down, or cannot start a thread, loses one run, which is counted."""
        self.executor.refusal = RuntimeError("can't start new thread")
        self.executor.refusing = True
        job = self.begin()
        self.turn(0.0)
        self.executor.refusing = False
        self.turn(10.0)
        self.assertEqual((1, 1), (self.executor.runs, job.refused))

    def test_a_shorter_interval_applies_at_once(self) -> None:
        """A run that is scheduled far ahead moves forward, and runs still do not multiply."""
        job = self.begin()
        self.turn(0.0)
        job.change_interval(2.0)
        self.turn(2.0)
        self.turn(2.0)
        self.assertEqual(3, self.executor.runs)

    def test_an_interval_of_0_pauses_the_runs(self) -> None:
        """With an interval of 0 the function does not run until the interval changes."""
        job = self.begin()
        job.change_interval(0.0)
        self.turn(100.0)
        self.assertEqual(0, self.executor.runs)
        job.change_interval(5.0)
        self.turn(5.0)
        self.assertEqual(1, self.executor.runs)

    def test_starts_are_spread(self) -> None:
        """Sixteen periodics that start together do not run at the same time."""
        jobs = [Periodic(int, 160.0, timer=self.timer, executor=self.executor, name=str(n)) for n in range(16)]
        for job in jobs:
            job.start(spread=1.0)
        self.turn(0.0)
        self.assertEqual(0, self.executor.runs)
        self.turn(160.0)
        self.assertEqual(16, self.executor.runs)

    def test_soon_is_in_the_first_second(self) -> None:
        """With ``soon`` the first run begins within a second."""
        job = Periodic(self.run_once, 3600.0, timer=self.timer, executor=self.executor, name="test")
        job.start(spread=1.0, soon=True)
        self.turn(1.0)
        self.assertEqual(1, self.executor.runs)

    def test_stop_waits_for_a_run_within_its_time(self) -> None:
        """``stop`` waits for a run in progress up to its timeout, and returns whether the run has ended."""
        gate, begun = threading.Event(), threading.Event()
        self.addCleanup(gate.set)
        pool = ElasticPool(1, {"work": LaneLimits()})
        self.addCleanup(pool.close, 10.0)
        job = Periodic(lambda: (begun.set(), gate.wait(10.0)), 0.001, timer=pool.timer, executor=pool["work"], name="test")
        job.start()
        self.assertTrue(begun.wait(10.0))
        self.assertFalse(job.stop(0.01))
        gate.set()
        self.assertTrue(job.stop(10.0))

    def test_nothing_runs_after_stop(self) -> None:
        """A stopped periodic does not run again."""
        job = self.begin()
        job.stop()
        self.assertEqual((0, 0), (self.turn(100.0), self.executor.runs))


class TestDeclaration(TestCase):
    def test_methods_are_found_with_their_interval(self) -> None:
        """A method that is declared on a class is found on its instance, bound, with its interval."""
        audit = Audit()
        [(function, declared)] = find_periodic_methods(audit)
        self.assertEqual(("seen", 5.0, False), (function("seen"), *declared))

    def test_an_interval_of_0_is_refused(self) -> None:
        """A declared interval has to be more than 0 seconds."""
        with ExpectedException(ValueError, ".*more than 0 seconds"):
            periodic(every=0)


class Audit:
    @periodic(every=5.0)
    def report(self, conductor: Any) -> Any:
        return conductor
