"""Timed and periodic work."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import Any

from testtools import ExpectedException, TestCase

from baremetal_interfaces import Busy
from baremetal_sdk.concurrency.periodic import Periodic, find_periodic_methods, periodic
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.testing import ManualClock


class HandTimer(Timer):
    """A timer without a thread: it fires when the test says so."""

    def _run(self) -> None:
        return


class Inline(Executor):
    """Runs at once, or refuses."""

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

    def test_work_is_done_when_it_is_due_and_in_order(self) -> None:
        """What is due first is done first, and nothing before its time."""
        self.timer.after(2.0, lambda: self.done.append("second"))
        self.timer.after(1.0, lambda: self.done.append("first"))
        self.assertEqual(0, self.timer.fire_due())
        self.clock.turn(2.0)
        self.assertEqual(2, self.timer.fire_due())
        self.assertEqual(["first", "second"], self.done)

    def test_cancelled_work_is_not_done(self) -> None:
        """What is cancelled before its time is not done."""
        self.timer.after(1.0, lambda: self.done.append("never")).cancel()
        self.clock.turn(1.0)
        self.assertEqual((0, []), (self.timer.fire_due(), self.done))

    def test_an_error_does_not_end_the_timer(self) -> None:
        """What fails, SystemExit included, does not keep what is due next from being done."""
        self.timer.after(1.0, lambda: (_ for _ in ()).throw(SystemExit))
        self.timer.after(1.0, lambda: self.done.append("next"))
        self.clock.turn(1.0)
        self.timer.fire_due()
        self.assertEqual(["next"], self.done)

    def test_a_real_timer_fires_by_itself(self) -> None:
        """The timer's own thread does what is due."""
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
        self.failing = self.exiting = False

    def begin(self) -> Periodic:
        one = Periodic(self.run_once, 10.0, timer=self.timer, executor=self.executor, name="test")
        one.start(spread=0.0)
        return one

    def run_once(self) -> None:
        if self.exiting:
            raise SystemExit
        if self.failing:
            raise ValueError("failing")

    def turn(self, seconds: float) -> int:
        self.clock.turn(seconds)
        return self.timer.fire_due()

    def test_it_runs_again_after_each_interval(self) -> None:
        """One run for each interval."""
        self.begin()
        self.turn(0.0)
        self.turn(10.0)
        self.turn(9.9)
        self.assertEqual(2, self.executor.runs)

    def test_a_refused_run_is_not_a_hot_loop(self) -> None:
        """When the pool refuses a run the next try is an interval later."""
        self.executor.refusing = True
        self.begin()
        self.assertEqual(1, self.turn(0.0))
        self.assertEqual(0, self.turn(5.0))
        self.executor.refusing = False
        self.turn(5.0)
        self.assertEqual(1, self.executor.runs)

    def test_failures_back_off_and_success_ends_that(self) -> None:
        """Each failure in a row doubles the interval; a run that goes well restores it."""
        self.failing = True
        one = self.begin()
        self.turn(0.0)
        self.turn(10.0)
        self.assertEqual((1, 1), (self.executor.runs, one.failures))
        self.failing = False
        self.turn(10.0)
        self.assertEqual((2, 0), (self.executor.runs, one.failures))
        self.turn(10.0)
        self.assertEqual(3, self.executor.runs)

    def test_an_exit_does_not_lose_the_next_run(self) -> None:
        """SystemExit in a run is a failure like any other: the next run is set."""
        self.exiting = True
        one = self.begin()
        self.turn(0.0)
        self.assertEqual(1, one.failures)
        self.exiting = False
        self.turn(20.0)
        self.assertEqual((2, 0), (self.executor.runs, one.failures))

    def test_whatever_the_executor_says_the_next_run_is_set(self) -> None:
        """An executor that was shut down, or cannot start a thread, costs one run, which is counted."""
        self.executor.refusal = RuntimeError("can't start new thread")
        self.executor.refusing = True
        one = self.begin()
        self.turn(0.0)
        self.executor.refusing = False
        self.turn(10.0)
        self.assertEqual((1, 1), (self.executor.runs, one.refused))

    def test_a_shorter_interval_counts_at_once(self) -> None:
        """A run that was set far ahead is not waited for; there is still only one chain of runs."""
        one = self.begin()
        self.turn(0.0)
        one.change_interval(2.0)
        self.turn(2.0)
        self.turn(2.0)
        self.assertEqual(3, self.executor.runs)

    def test_an_interval_of_nothing_pauses_it(self) -> None:
        """With 0 it does not run until it has an interval again."""
        one = self.begin()
        one.change_interval(0.0)
        self.turn(100.0)
        self.assertEqual(0, self.executor.runs)
        one.change_interval(5.0)
        self.turn(5.0)
        self.assertEqual(1, self.executor.runs)

    def test_starts_are_spread(self) -> None:
        """Sixteen that start together do not begin together."""
        many = [Periodic(int, 160.0, timer=self.timer, executor=self.executor, name=str(n)) for n in range(16)]
        for one in many:
            one.start(spread=1.0)
        self.turn(0.0)
        self.assertEqual(0, self.executor.runs)
        self.turn(160.0)
        self.assertEqual(16, self.executor.runs)

    def test_soon_is_in_the_first_second(self) -> None:
        """What is to run at once does not wait for its interval."""
        one = Periodic(self.run_once, 3600.0, timer=self.timer, executor=self.executor, name="test")
        one.start(spread=1.0, soon=True)
        self.turn(1.0)
        self.assertEqual(1, self.executor.runs)

    def test_stop_waits_for_a_run_within_its_time(self) -> None:
        """It says whether a run goes on, and waits for it no longer than it was told."""
        gate, begun = threading.Event(), threading.Event()
        self.addCleanup(gate.set)
        pool = ElasticPool(1, {"work": LaneLimits()})
        self.addCleanup(pool.close, 10.0)
        one = Periodic(lambda: (begun.set(), gate.wait(10.0)), 0.001, timer=pool.timer, executor=pool["work"], name="test")
        one.start()
        self.assertTrue(begun.wait(10.0))
        self.assertFalse(one.stop(0.01))
        gate.set()
        self.assertTrue(one.stop(10.0))

    def test_nothing_runs_after_stop(self) -> None:
        """A stopped periodic does not run again."""
        one = self.begin()
        one.stop()
        self.assertEqual((0, 0), (self.turn(100.0), self.executor.runs))


class TestDeclaration(TestCase):
    def test_methods_are_found_with_their_interval(self) -> None:
        """What is declared on a class is found on its instance, bound."""
        audit = Audit()
        [(function, declared)] = find_periodic_methods(audit)
        self.assertEqual(("seen", 5.0, False), (function("seen"), *declared))

    def test_an_interval_of_nothing_is_refused(self) -> None:
        """An interval has to be more than 0 seconds."""
        with ExpectedException(ValueError, ".*more than 0 seconds"):
            periodic(every=0)


class Audit:
    @periodic(every=5.0)
    def report(self, conductor: Any) -> Any:
        return conductor
