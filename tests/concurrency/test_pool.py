"""The elastic pool."""

from __future__ import annotations

import contextvars
import json
import os
import threading
from typing import Any

from fixtures import FakeLogger
from testtools import ExpectedException, TestCase

from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, PoolDeadlock, TaskAbandoned, should_stop
from baremetal_sdk.concurrency.pool.statistics import Durations
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.testing import ManualClock

_TIMEOUT_S = 10.0


class PoolCase(TestCase):
    """Tests with a pool whose timer has a manual clock."""

    def pool(self, workers: int, **lanes: LaneLimits) -> ElasticPool:
        self.clock = ManualClock()
        timer = Timer(clock=self.clock)
        pool = ElasticPool(workers, lanes or {"work": LaneLimits()}, timer=timer)
        self.addCleanup(timer.close)
        self.addCleanup(pool.close, 0.0, cancel_queued=True)
        return pool

    def gate(self) -> threading.Event:
        """Return an event that tasks wait for. It is set at the end of the test."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def occupy(self, pool: ElasticPool, lane: str, count: int) -> tuple[threading.Event, list[Any]]:
        """Keep *count* workers of a lane busy until the gate opens."""
        gate, begun = self.gate(), threading.Semaphore(0)

        def hold() -> None:
            begun.release()
            gate.wait(_TIMEOUT_S)

        futures = [pool[lane].submit(hold) for _ in range(count)]
        for _ in range(count):
            self.assertTrue(begun.acquire(timeout=_TIMEOUT_S))
        return gate, futures


class TestElasticity(PoolCase):
    def test_idle_workers_are_reused(self) -> None:
        """Jobs that are submitted one at a time need one thread."""
        pool = self.pool(10)
        for _ in range(50):
            pool["work"].submit(int).result(_TIMEOUT_S)
            self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(1, pool.workers)

    def test_shrink_ends_workers_that_were_not_needed(self) -> None:
        """After a spike, one call ends all workers that were not needed since the previous call."""
        pool = self.pool(10)
        gate, futures = self.occupy(pool, "work", 10)
        self.assertEqual(0, pool.shrink())
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        pool.shrink()
        pool["work"].submit(int).result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(9, pool.shrink())
        self.assertEqual(1, pool.workers)

    def test_it_shrinks_by_itself(self) -> None:
        """After two idle windows of the pool's own timer no thread of a spike is left."""
        pool = self.pool(20)
        gate, futures = self.occupy(pool, "work", 20)
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        left = []
        for _ in range(2):
            self.clock.turn(30.0)
            pool.timer.fire_due()
            left.append(pool.workers)
        self.assertEqual([20, 0], left)

    def test_idle_threads_do_not_count_against_admission(self) -> None:
        """A pool that was full and is idle accepts new work."""
        pool = self.pool(5, work=LaneLimits(queue=0))
        gate, futures = self.occupy(pool, "work", 5)
        with ExpectedException(NoFreeWorker, ".*lane 'work' of pool 'pool' is full: 5 busy, 0 queued.*"):
            pool["work"].submit(int)
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))


class TestLanes(PoolCase):
    def test_a_full_lane_leaves_the_reserve_of_another(self) -> None:
        """A full lane with a long queue does not use the reserved worker of another lane."""
        pool = self.pool(3, slow=LaneLimits(), quick=LaneLimits(reserved=1))
        self.occupy(pool, "slow", 2)
        queued = pool["slow"].submit(int)
        self.assertEqual(0, pool["quick"].submit(int).result(_TIMEOUT_S))
        self.assertFalse(queued.done())

    def test_a_cap_limits_a_lane(self) -> None:
        """A lane runs no more jobs at a time than its cap, however many workers the pool has."""
        pool = self.pool(10, work=LaneLimits(cap=2))
        gate, _ = self.occupy(pool, "work", 2)
        third = pool["work"].submit(int)
        self.assertEqual((2, 1), (pool["work"].statistics.busy, pool["work"].statistics.queued))
        gate.set()
        self.assertEqual(0, third.result(_TIMEOUT_S))

    def test_a_cpu_limit_queues_jobs(self) -> None:
        """Jobs beyond a lane's CPU limit are queued until a running job ends, or run at once if the queue is full."""
        pool = self.pool(10, work=LaneLimits(cap=4, queue=1, cpu_limit=2, slow_after=3600.0))
        gate, _ = self.occupy(pool, "work", 2)
        queued = pool["work"].submit(int)
        self.assertEqual((2, 1), (pool["work"].statistics.busy, pool["work"].statistics.queued))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))
        gate.set()
        self.assertEqual(0, queued.result(_TIMEOUT_S))

    def test_slow_jobs_do_not_count_for_the_cpu_limit(self) -> None:
        """Jobs that have become slow let other jobs of the lane run, up to its cap."""
        pool = ElasticPool(10, {"work": LaneLimits(cap=4, cpu_limit=1)})
        self.addCleanup(pool.close, 0.0, cancel_queued=True)
        self.occupy(pool, "work", 3)
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))

    def test_a_refusal_carries_a_retry_time(self) -> None:
        """A refusal says after which time to retry and how loaded the lane is, and is counted."""
        pool = self.pool(1, work=LaneLimits(queue=0))
        self.occupy(pool, "work", 1)
        error = self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        self.assertEqual((1.0, 503), (error.retry_after, error.code))
        self.assertEqual({"lane": "work", "busy": 1, "queued": 0, "limit": 1, "queue_limit": 0}, error.details)
        self.assertEqual(1, pool["work"].statistics.refused)

    def test_reserves_beyond_the_pool_are_refused(self) -> None:
        """Lanes cannot reserve more workers than the pool may have."""
        with ExpectedException(ValueError, ".*3 workers are reserved.*max_workers is 2"):
            ElasticPool(2, {"a": LaneLimits(reserved=3)})


class TestTasks(PoolCase):
    def test_no_exception_ends_a_worker(self) -> None:
        """SystemExit and KeyboardInterrupt go to the future, and the worker continues."""
        pool = self.pool(1)
        for error in (SystemExit, KeyboardInterrupt, ValueError):
            future = pool["work"].submit(_raise, error)
            self.assertIsInstance(future.exception(_TIMEOUT_S), error)
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))

    def test_context_variables_travel_with_the_task(self) -> None:
        """A task sees its submitter's context variables, and does not pass its own changes on to the next task."""
        pool = self.pool(1)
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        def swap(value: str) -> str:
            before = variable.get()
            variable.set(value)
            return before

        variable.set("mine")
        self.assertEqual("mine", pool["work"].submit(swap, "theirs").result(_TIMEOUT_S))
        self.assertEqual("mine", pool["work"].submit(swap, "again").result(_TIMEOUT_S))

    def test_threads_are_named_by_pool_and_lane(self) -> None:
        """The name of a busy thread contains the pool and the lane."""
        pool = self.pool(1)
        name = pool["work"].submit(lambda: threading.current_thread().name).result(_TIMEOUT_S)
        self.assertEqual("pool-1-work", name)

    def test_a_cancelled_task_never_runs(self) -> None:
        """A task that is cancelled while it is queued does not run."""
        pool = self.pool(1)
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        queued, last = pool["work"].submit(ran.set), pool["work"].submit(int)
        self.assertTrue(queued.cancel())
        gate.set()
        last.result(_TIMEOUT_S)
        self.assertFalse(ran.is_set())


class TestLimits(PoolCase):
    def test_a_pool_grows_and_shrinks_at_run_time(self) -> None:
        """A higher limit starts queued jobs; after a lower limit, surplus workers end with their jobs."""
        pool = self.pool(1)
        gate, futures = self.occupy(pool, "work", 1)
        queued = pool["work"].submit(gate.wait, _TIMEOUT_S)
        pool.resize(2, {"work": LaneLimits(), "more": LaneLimits()})
        self.assertEqual(2, pool["work"].statistics.busy)
        pool.resize(1)
        gate.set()
        for future in (*futures, queued):
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(1, pool.workers)
        self.assertEqual(0, pool["more"].submit(int).result(_TIMEOUT_S))

    def test_a_thread_that_cannot_start_costs_no_capacity(self) -> None:
        """If the system cannot start a thread, the submission is refused and the pool is unchanged."""
        pool = self.pool(1)
        pool.timer.after(1000, int)
        before = threading.stack_size(1 << 46)
        try:
            self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        finally:
            threading.stack_size(before)
        self.assertEqual((0, 0), (pool.workers, pool["work"].statistics.busy))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))

    def test_a_pool_recovers_from_a_timer_without_a_thread(self) -> None:
        """If the timer's thread cannot start, no job is lost: later submissions run, and the pool shrinks."""
        pool = self.pool(1)
        before = threading.stack_size(1 << 46)
        try:
            self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        finally:
            threading.stack_size(before)
        self.assertEqual((0, 0), (pool.workers, pool["work"].statistics.busy))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))
        self.assertTrue(pool.drain(_TIMEOUT_S))
        for _ in range(2):
            self.clock.turn(30.0)
            pool.timer.fire_due()
        self.assertEqual(0, pool.workers)

    def test_a_forked_pool_refuses_work(self) -> None:
        """In a child process the pool refuses work with the reason, reports no threads, and can be closed."""
        pool = self.pool(1)
        pool["work"].submit(int).result(_TIMEOUT_S)
        child = os.fork()
        if child == 0:
            seen = (pool.workers, pool.idle, pool["work"].alive, pool.close())
            for submit in (pool["work"].submit, lambda function: pool["work"].after(1.0, function)):
                try:
                    submit(int)
                    os._exit(2)
                except RuntimeError as exc:
                    if "before this process was forked" not in str(exc):
                        os._exit(1)
            os._exit(0 if seen == (0, 0, False, []) else 3)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def test_invalid_limits_are_refused(self) -> None:
        """Limits that contradict each other, such as a reserve above the cap, raise ``ValueError``."""
        with ExpectedException(ValueError, ".*allowed are 0 <= reserved <= cap.*"):
            LaneLimits(reserved=2, cap=1)
        with ExpectedException(ValueError, "pool 'pool': .*max_workers is 0; it has to be at least 1.*"):
            self.pool(1).resize(0)
        with ExpectedException(ValueError, "pool 'pool': idle_window has to be more than 0.*"):
            ElasticPool(1, {"work": LaneLimits()}, idle_window=0)


class TestDeadlocks(PoolCase):
    def test_a_wait_that_could_never_end_is_an_error(self) -> None:
        """If every worker of a lane waits for a queued job of that lane, the last wait raises an error that names both jobs."""
        pool = self.pool(1)

        def inner() -> int:
            return 1

        def outer() -> int:
            return pool["work"].submit(inner).result()

        error = pool["work"].submit(outer).exception(_TIMEOUT_S)
        self.assertIsInstance(error, PoolDeadlock)
        for name in ("outer in lane 'work' waits for", "inner in lane 'work', which is queued"):
            self.assertIn(name, str(error))

    def test_one_error_lets_the_other_waits_end(self) -> None:
        """Of two tasks that wait for queued jobs, one gets the error; its worker then runs the job of the other."""
        pool = self.pool(2)
        both = threading.Barrier(2)

        def outer() -> int:
            both.wait(_TIMEOUT_S)
            return pool["work"].submit(int).result()

        futures = [pool["work"].submit(outer) for _ in range(2)]
        outcomes = [future.exception(_TIMEOUT_S) for future in futures]
        self.assertEqual([PoolDeadlock], [type(error) for error in outcomes if error is not None])

    def test_a_hopeless_wait_with_a_timeout_fails_at_once(self) -> None:
        """A wait that only its own timeout could end raises the error at its beginning."""
        pool = self.pool(1)
        error = pool["work"].submit(lambda: pool["work"].submit(int).result(600.0)).exception(_TIMEOUT_S)
        self.assertIsInstance(error, PoolDeadlock)

    def test_an_earlier_timeout_frees_a_worker(self) -> None:
        """A wait is not hopeless if another wait times out before it: that worker then runs the awaited jobs."""
        pool = self.pool(2)
        gate = self.gate()
        begun = threading.Event()

        def first() -> str:
            gate.wait(_TIMEOUT_S)
            begun.set()
            try:
                pool["work"].submit(int).result(0.2)
            except TimeoutError:
                return "gave up"
            return "done"

        def second() -> int:
            gate.wait(_TIMEOUT_S)
            begun.wait(_TIMEOUT_S)
            return pool["work"].submit(int).result()

        early, late = pool["work"].submit(first), pool["work"].submit(second)
        gate.set()
        self.assertEqual(("gave up", 0), (early.result(_TIMEOUT_S), late.result(_TIMEOUT_S)))

    def test_a_chain_of_waits_is_detected(self) -> None:
        """If a task waits for a running task that waits for a queued job behind both, the latter wait raises the error."""
        pool = self.pool(2)

        def middle() -> int:
            return pool["work"].submit(int).result()

        def outer() -> Any:
            return pool["work"].submit(middle).exception()

        self.assertIsInstance(pool["work"].submit(outer).result(_TIMEOUT_S), PoolDeadlock)

    def test_a_task_that_waits_for_itself_gets_the_error(self) -> None:
        """A circular wait has no end, however many workers are free."""
        pool = self.pool(5)
        own: list[Any] = []
        gate = self.gate()

        def wait_for_myself() -> Any:
            gate.wait(_TIMEOUT_S)
            return own[0].result()

        own.append(pool["work"].submit(wait_for_myself))
        gate.set()
        self.assertIsInstance(own[0].exception(_TIMEOUT_S), PoolDeadlock)

    def test_a_callback_may_read_its_own_future(self) -> None:
        """A callback can read the result of the finished future that called it."""
        pool = self.pool(1)
        seen: list[int] = []
        gate, _ = self.occupy(pool, "work", 1)
        pool["work"].submit(int).add_done_callback(lambda future: seen.append(future.result()))
        gate.set()
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual([0], seen)

    def test_other_lanes_do_not_hide_a_deadlock(self) -> None:
        """A busy lane that only uses its own reserve frees no worker for the wait, so the error is raised."""
        pool = self.pool(2, slow=LaneLimits(), quick=LaneLimits(reserved=1))
        self.occupy(pool, "quick", 1)
        error = pool["slow"].submit(lambda: pool["slow"].submit(int).result()).exception(_TIMEOUT_S)
        self.assertIsInstance(error, PoolDeadlock)

    def test_a_task_may_wait_for_another_lane(self) -> None:
        """A task may wait for a job that another lane can run."""
        pool = self.pool(2, one=LaneLimits(cap=1), other=LaneLimits(reserved=1))
        self.assertEqual(0, pool["one"].submit(lambda: pool["other"].submit(int).result()).result(_TIMEOUT_S))


class TestDelayed(PoolCase):
    def turn(self, pool: ElasticPool, seconds: float) -> None:
        self.clock.turn(seconds)
        pool.timer.fire_due()
        self.assertTrue(pool.drain(_TIMEOUT_S))

    def test_delayed_work_runs_in_its_submitters_context(self) -> None:
        """Delayed work sees the context variables of its submitter."""
        pool = self.pool(1)
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
        seen: list[str] = []
        variable.set("mine")
        pool["work"].after(5.0, lambda: seen.append(variable.get()))
        variable.set("later")
        self.turn(pool, 5.0)
        self.assertEqual(["mine"], seen)

    def test_delayed_work_can_be_cancelled(self) -> None:
        """Delayed work that is cancelled before its time does not run."""
        pool = self.pool(1)
        ran = threading.Event()
        pool["work"].after(5.0, ran.set).cancel()
        self.turn(pool, 5.0)
        self.assertFalse(ran.is_set())

    def test_queued_delayed_work_can_be_cancelled(self) -> None:
        """Delayed work that waits for a worker can still be cancelled."""
        pool = self.pool(1)
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        delayed = pool["work"].after(5.0, ran.set)
        self.clock.turn(5.0)
        pool.timer.fire_due()
        delayed.cancel()
        gate.set()
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertFalse(ran.is_set())

    def test_delayed_work_is_retried_if_the_lane_is_full(self) -> None:
        """Accepted delayed work is not lost if the lane is full at its time."""
        self.useFixture(FakeLogger("baremetal_sdk"))
        pool = self.pool(1, work=LaneLimits(queue=0))
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        pool["work"].after(5.0, ran.set)
        self.clock.turn(5.0)
        pool.timer.fire_due()
        gate.set()
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertFalse(ran.is_set())
        self.turn(pool, 1.0)
        self.assertTrue(ran.is_set())


class TestStopping(PoolCase):
    def test_a_task_can_ask_whether_it_should_stop(self) -> None:
        """``should_stop`` is true for a task that was asked to stop or whose pool closes, and false outside of tasks."""
        pool = self.pool(2)
        begun = threading.Semaphore(0)

        def work() -> str:
            begun.release()
            while not should_stop():
                threading.Event().wait(0.001)
            return "stopped"

        asked, closed = pool["work"].submit(work), pool["work"].submit(work)
        for _ in range(2):
            self.assertTrue(begun.acquire(timeout=_TIMEOUT_S))
        self.assertTrue(asked.request_stop())
        self.assertEqual("stopped", asked.result(_TIMEOUT_S))
        self.assertFalse(closed.done())
        self.assertEqual([], pool.close(_TIMEOUT_S))
        self.assertEqual(("stopped", False, False), (closed.result(_TIMEOUT_S), should_stop(), closed.request_stop()))


class TestStatistics(PoolCase):
    def test_statistics_count_all_outcomes(self) -> None:
        """Executed, failed, cancelled and refused tasks add up."""
        pool = self.pool(1, work=LaneLimits(queue=2))
        gate, _ = self.occupy(pool, "work", 1)
        failed, cancelled = pool["work"].submit(_raise, ValueError), pool["work"].submit(int)
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        cancelled.cancel()
        gate.set()
        failed.exception(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        seen = pool["work"].statistics
        self.assertEqual((2, 1, 1, 1), (seen.executed, seen.failures, seen.cancelled, seen.refused))
        self.assertEqual((0, 0, 1), (seen.busy, seen.queued, seen.idle))
        self.assertGreater(seen.run.p99, 0.0)

    def test_quantiles_are_within_a_quarter(self) -> None:
        """A quantile is not below the true one, and not more than a quarter above it."""
        durations = Durations()
        for number in range(1, 1001):
            durations.add(number / 1000)
        for share, seen in zip((0.5, 0.9, 0.99), durations.quantiles(), strict=True):
            self.assertTrue(share <= seen <= share * 1.26, (share, seen))


class TestKnownTraps(PoolCase):
    def test_a_pool_of_285_accepts_work_after_a_full_load(self) -> None:
        """A ramp to the limit does not leave the pool refusing work once it is idle."""
        pool = self.pool(285, work=LaneLimits(queue=0))
        gate, futures = self.occupy(pool, "work", 285)
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))

    def test_four_exits_end_no_worker(self) -> None:
        """A pool of four has four workers after four tasks raised SystemExit."""
        pool = self.pool(4)
        for future in [pool["work"].submit(_raise, SystemExit) for _ in range(4)]:
            self.assertIsInstance(future.exception(_TIMEOUT_S), SystemExit)
        gate, futures = self.occupy(pool, "work", 4)
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)

    def test_shrink_does_not_wait(self) -> None:
        """``shrink`` returns at once while a task runs."""
        pool = self.pool(2)
        self.occupy(pool, "work", 2)
        self.assertEqual(0, pool.shrink())

    def test_shutdown_without_wait_cancels_queued_tasks(self) -> None:
        """``shutdown(wait=False)`` leaves no future pending."""
        pool = self.pool(1)
        self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        pool.shutdown(wait=False)
        self.assertTrue(queued.cancelled())

    def test_shutdown_with_cancel_futures(self) -> None:
        """``shutdown(cancel_futures=True)`` cancels queued tasks and waits for running ones."""
        pool = self.pool(1)
        gate, (running,) = self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        queued.add_done_callback(lambda _: gate.set())
        pool.shutdown(wait=True, cancel_futures=True)
        self.assertEqual((True, False, True), (queued.cancelled(), running.cancelled(), running.done()))

    def test_an_idle_pool_closes_at_once(self) -> None:
        """Closing a pool of idle workers takes no time and leaves no thread."""
        pool = self.pool(10)
        gate, futures = self.occupy(pool, "work", 10)
        gate.set()
        for future in futures:
            future.result(_TIMEOUT_S)
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(([], 0), (pool.close(0.0), pool.workers))

    def test_deep_nesting_is_an_error_and_not_a_crash(self) -> None:
        """Workers have stacks of normal size: too deep recursion is an error in the future."""
        pool = self.pool(1)
        nested = "[" * 100_000 + "]" * 100_000
        self.assertIsInstance(pool["work"].submit(json.loads, nested).exception(_TIMEOUT_S), RecursionError)
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))

    def test_an_exit_in_a_callback_ends_no_worker(self) -> None:
        """A callback of a future that raises SystemExit is logged, and the pool keeps all its workers."""
        pool = self.pool(1)
        self.useFixture(FakeLogger("baremetal_sdk"))
        gate, _ = self.occupy(pool, "work", 1)

        def leave(_: Any) -> None:
            raise SystemExit(1)

        for function in (int, "no function"):
            pool["work"].submit(function).add_done_callback(leave)  # type: ignore[arg-type]
        gate.set()
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))


class TestClose(PoolCase):
    def test_close_waits_for_running_and_queued_tasks(self) -> None:
        """Accepted work runs before the pool is closed."""
        pool = self.pool(1)
        gate, futures = self.occupy(pool, "work", 1)
        futures.append(pool["work"].submit(int))
        gate.set()
        self.assertEqual([], pool.close(_TIMEOUT_S))
        self.assertTrue(all(future.done() for future in futures))
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)

    def test_close_respects_its_timeout(self) -> None:
        """A task that does not end does not delay the close; it is reported, and queued tasks are cancelled."""
        pool = self.pool(1)
        self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        stragglers = pool.close(0.01)
        [straggler] = stragglers
        self.assertIn("hold in lane 'work'", straggler.task)
        self.assertIn("gate.wait", straggler.stack)
        self.assertTrue(queued.cancelled())

    def test_the_future_of_a_straggler_is_settled(self) -> None:
        """The future of a task that did not end is settled, and a later end of the task does no harm."""
        pool = self.pool(1)
        gate, (running,) = self.occupy(pool, "work", 1)
        self.assertEqual(1, len(pool.close(0.0)))
        self.assertIsInstance(running.exception(0), TaskAbandoned)
        gate.set()
        self.assertTrue(pool.drain(_TIMEOUT_S))
        self.assertEqual(0, pool.workers)

    def test_a_task_of_a_closing_pool_may_submit(self) -> None:
        """A submission from a task of a closing pool is refused and does not block."""
        pool = self.pool(1)
        gate = self.gate()
        closing = threading.Event()

        def submit_later() -> str:
            gate.wait(_TIMEOUT_S)
            try:
                pool["work"].submit(int)
            except NoFreeWorker as exc:
                return exc.message
            return "accepted"

        future = pool["work"].submit(submit_later)
        closer = threading.Thread(target=lambda: (closing.set(), pool.close(_TIMEOUT_S)))
        closer.start()
        self.assertTrue(closing.wait(_TIMEOUT_S))
        while not pool.closing:
            closer.join(0.001)
        gate.set()
        closer.join(_TIMEOUT_S)
        self.assertEqual("pool 'pool' accepts no work: it is closed", future.result(0))

    def test_shutdown_of_a_lane_does_nothing(self) -> None:
        """A user that got a lane as an executor cannot end the pool."""
        pool = self.pool(1)
        with pool["work"] as executor:
            executor.submit(int).result(_TIMEOUT_S)
        self.assertEqual(0, pool["work"].submit(int).result(_TIMEOUT_S))


def _raise(error: type[BaseException]) -> None:
    raise error
