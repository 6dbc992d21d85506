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

_BOUND = 10.0


class PoolCase(TestCase):
    """A pool whose timer stands still, so that it shrinks when a test says so."""

    def pool(self, workers: int, **lanes: LaneLimits) -> ElasticPool:
        self.clock = ManualClock()
        timer = Timer(clock=self.clock)
        pool = ElasticPool(workers, lanes or {"work": LaneLimits()}, timer=timer)
        self.addCleanup(timer.close)
        self.addCleanup(pool.close, 0.0, cancel_queued=True)
        return pool

    def gate(self) -> threading.Event:
        """Something that tasks wait for; it opens at the end of the test."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def occupy(self, pool: ElasticPool, lane: str, count: int) -> tuple[threading.Event, list[Any]]:
        """Keep *count* workers of a lane busy until the gate opens."""
        gate, begun = self.gate(), threading.Semaphore(0)

        def hold() -> None:
            begun.release()
            gate.wait(_BOUND)

        futures = [pool[lane].submit(hold) for _ in range(count)]
        for _ in range(count):
            self.assertTrue(begun.acquire(timeout=_BOUND))
        return gate, futures


class TestElasticity(PoolCase):
    def test_idle_workers_are_used_again(self) -> None:
        """Work that comes one at a time needs one thread."""
        pool = self.pool(10)
        for _ in range(50):
            pool["work"].submit(int).result(_BOUND)
            self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(1, pool.workers)

    def test_shrink_ends_what_was_not_needed(self) -> None:
        """After a spike the pool goes back, all at once, to what it needed since the last look."""
        pool = self.pool(10)
        gate, futures = self.occupy(pool, "work", 10)
        self.assertEqual(0, pool.shrink())
        gate.set()
        for future in futures:
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        pool.shrink()
        pool["work"].submit(int).result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(9, pool.shrink())
        self.assertEqual(1, pool.workers)

    def test_it_shrinks_by_itself(self) -> None:
        """Nobody has to call anything: after two idle windows of the pool's own timer no thread of a spike is left."""
        pool = self.pool(20)
        gate, futures = self.occupy(pool, "work", 20)
        gate.set()
        for future in futures:
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        left = []
        for _ in range(2):
            self.clock.turn(30.0)
            pool.timer.fire_due()
            left.append(pool.workers)
        self.assertEqual([20, 0], left)

    def test_idle_threads_do_not_count_against_admission(self) -> None:
        """A pool that was full and is idle takes new work."""
        pool = self.pool(5, work=LaneLimits(queue=0))
        gate, futures = self.occupy(pool, "work", 5)
        with ExpectedException(NoFreeWorker, ".*lane 'work' of pool 'pool' is full: 5 busy, 0 queued.*"):
            pool["work"].submit(int)
        gate.set()
        for future in futures:
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))


class TestLanes(PoolCase):
    def test_a_full_lane_leaves_the_reserve_of_another(self) -> None:
        """A lane that is full with a long queue does not keep another from its reserved worker."""
        pool = self.pool(3, slow=LaneLimits(), quick=LaneLimits(reserved=1))
        self.occupy(pool, "slow", 2)
        queued = pool["slow"].submit(int)
        self.assertEqual(0, pool["quick"].submit(int).result(_BOUND))
        self.assertFalse(queued.done())

    def test_a_cap_bounds_a_lane(self) -> None:
        """No more of a lane runs at a time than its cap, however many workers there are."""
        pool = self.pool(10, work=LaneLimits(cap=2))
        gate, _ = self.occupy(pool, "work", 2)
        third = pool["work"].submit(int)
        self.assertEqual((2, 1), (pool["work"].statistics.busy, pool["work"].statistics.queued))
        gate.set()
        self.assertEqual(0, third.result(_BOUND))

    def test_what_soon_ends_is_not_crowded(self) -> None:
        """Of a brisk lane only so many run at once; the next one runs when one of them has ended, or when the queue is full."""
        pool = self.pool(10, work=LaneLimits(cap=4, queue=1, cpu_limit=2, slow_after=3600.0))
        gate, _ = self.occupy(pool, "work", 2)
        queued = pool["work"].submit(int)
        self.assertEqual((2, 1), (pool["work"].statistics.busy, pool["work"].statistics.queued))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))
        gate.set()
        self.assertEqual(0, queued.result(_BOUND))

    def test_what_is_held_up_makes_room(self) -> None:
        """Where all of a brisk lane wait for something others run in their place, as many as its cap allows."""
        pool = ElasticPool(10, {"work": LaneLimits(cap=4, cpu_limit=1)})
        self.addCleanup(pool.close, 0.0, cancel_queued=True)
        self.occupy(pool, "work", 3)
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))

    def test_refusals_say_when_to_come_back(self) -> None:
        """A refusal carries the time after which to try again, and is counted."""
        pool = self.pool(1, work=LaneLimits(queue=0))
        self.occupy(pool, "work", 1)
        error = self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        self.assertEqual((1.0, 503), (error.retry_after, error.code))
        self.assertEqual({"lane": "work", "busy": 1, "queued": 0, "limit": 1, "queue_limit": 0}, error.details)
        self.assertEqual(1, pool["work"].statistics.refused)

    def test_reserves_beyond_the_pool_are_refused(self) -> None:
        """Lanes cannot reserve more workers than there are."""
        with ExpectedException(ValueError, ".*3 workers are reserved.*max_workers is 2"):
            ElasticPool(2, {"a": LaneLimits(reserved=3)})


class TestTasks(PoolCase):
    def test_no_exception_costs_a_worker(self) -> None:
        """SystemExit and KeyboardInterrupt end in the future, and the worker lives on."""
        pool = self.pool(1)
        for error in (SystemExit, KeyboardInterrupt, ValueError):
            future = pool["work"].submit(_raise, error)
            self.assertIsInstance(future.exception(_BOUND), error)
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))

    def test_context_variables_travel_with_the_task(self) -> None:
        """A task sees its submitter's context, and leaves nothing of its own to the next one."""
        pool = self.pool(1)
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        def swap(value: str) -> str:
            before = variable.get()
            variable.set(value)
            return before

        variable.set("mine")
        self.assertEqual("mine", pool["work"].submit(swap, "theirs").result(_BOUND))
        self.assertEqual("mine", pool["work"].submit(swap, "again").result(_BOUND))

    def test_threads_are_named_by_pool_and_lane(self) -> None:
        """A thread says in its name which lane it works for."""
        pool = self.pool(1)
        name = pool["work"].submit(lambda: threading.current_thread().name).result(_BOUND)
        self.assertEqual("pool-1-work", name)

    def test_a_cancelled_task_never_runs(self) -> None:
        """What is cancelled while it is queued is skipped."""
        pool = self.pool(1)
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        queued, last = pool["work"].submit(ran.set), pool["work"].submit(int)
        self.assertTrue(queued.cancel())
        gate.set()
        last.result(_BOUND)
        self.assertFalse(ran.is_set())


class TestLimits(PoolCase):
    def test_a_pool_grows_and_shrinks_at_run_time(self) -> None:
        """A higher limit starts what is queued; a lower one lets surplus workers go as they end."""
        pool = self.pool(1)
        gate, futures = self.occupy(pool, "work", 1)
        queued = pool["work"].submit(gate.wait, _BOUND)
        pool.resize(2, {"work": LaneLimits(), "more": LaneLimits()})
        self.assertEqual(2, pool["work"].statistics.busy)
        pool.resize(1)
        gate.set()
        for future in (*futures, queued):
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(1, pool.workers)
        self.assertEqual(0, pool["more"].submit(int).result(_BOUND))

    def test_a_thread_that_cannot_start_costs_no_capacity(self) -> None:
        """When the system refuses a thread the submission is refused, and the pool is as it was."""
        pool = self.pool(1)
        pool.timer.after(1000, int)
        before = threading.stack_size(1 << 46)
        try:
            self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        finally:
            threading.stack_size(before)
        self.assertEqual((0, 0), (pool.workers, pool["work"].statistics.busy))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))

    def test_without_a_thread_for_its_timer_a_pool_works(self) -> None:
        """When not even the timer's thread can be started nothing is lost: later submissions run, and the pool shrinks."""
        pool = self.pool(1)
        before = threading.stack_size(1 << 46)
        try:
            self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        finally:
            threading.stack_size(before)
        self.assertEqual((0, 0), (pool.workers, pool["work"].statistics.busy))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))
        self.assertTrue(pool.drain(_BOUND))
        for _ in range(2):
            self.clock.turn(30.0)
            pool.timer.fire_due()
        self.assertEqual(0, pool.workers)

    def test_a_fork_is_told(self) -> None:
        """A pool from before a fork refuses work in the child, with the reason, and claims no threads; closing it is harmless."""
        pool = self.pool(1)
        pool["work"].submit(int).result(_BOUND)
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

    def test_limits_that_make_no_sense_are_refused(self) -> None:
        """A lane's reserve cannot be above its cap."""
        with ExpectedException(ValueError, ".*allowed are 0 <= reserved <= cap.*"):
            LaneLimits(reserved=2, cap=1)
        with ExpectedException(ValueError, "pool 'pool': .*max_workers is 0; it has to be at least 1.*"):
            self.pool(1).resize(0)
        with ExpectedException(ValueError, "pool 'pool': idle_window has to be more than 0.*"):
            ElasticPool(1, {"work": LaneLimits()}, idle_window=0)


class TestWaitingForEachOther(PoolCase):
    def test_a_wait_that_could_never_end_is_an_error(self) -> None:
        """When every worker of a lane waits for a queued task of it, the last one to wait is told, by both names."""
        pool = self.pool(1)

        def inner() -> int:
            return 1

        def outer() -> int:
            return pool["work"].submit(inner).result()

        error = pool["work"].submit(outer).exception(_BOUND)
        self.assertIsInstance(error, PoolDeadlock)
        for name in ("outer in lane 'work' waits for", "inner in lane 'work', which is queued"):
            self.assertIn(name, str(error))

    def test_others_go_on_once_one_was_told(self) -> None:
        """Of two tasks that wait for queued ones, one is told; its worker then runs what the other waits for."""
        pool = self.pool(2)
        both = threading.Barrier(2)

        def outer() -> int:
            both.wait(_BOUND)
            return pool["work"].submit(int).result()

        futures = [pool["work"].submit(outer) for _ in range(2)]
        outcomes = [future.exception(_BOUND) for future in futures]
        self.assertEqual([PoolDeadlock], [type(one) for one in outcomes if one is not None])

    def test_a_wait_with_a_limit_is_told_at_once_as_well(self) -> None:
        """A wait that could only end by its own limit is told so at its beginning."""
        pool = self.pool(1)
        error = pool["work"].submit(lambda: pool["work"].submit(int).result(600.0)).exception(_BOUND)
        self.assertIsInstance(error, PoolDeadlock)

    def test_who_gives_up_earlier_makes_room(self) -> None:
        """A wait is not hopeless while another one ends before it: its worker then runs what both wait for."""
        pool = self.pool(2)
        gate = self.gate()
        begun = threading.Event()

        def first() -> str:
            gate.wait(_BOUND)
            begun.set()
            try:
                pool["work"].submit(int).result(0.2)
            except TimeoutError:
                return "gave up"
            return "done"

        def second() -> int:
            gate.wait(_BOUND)
            begun.wait(_BOUND)
            return pool["work"].submit(int).result()

        one, other = pool["work"].submit(first), pool["work"].submit(second)
        gate.set()
        self.assertEqual(("gave up", 0), (one.result(_BOUND), other.result(_BOUND)))

    def test_a_chain_of_waits_is_seen(self) -> None:
        """One waits for one that runs, and that one for one that is queued behind both: the latter is told."""
        pool = self.pool(2)

        def middle() -> int:
            return pool["work"].submit(int).result()

        def outer() -> Any:
            return pool["work"].submit(middle).exception()

        self.assertIsInstance(pool["work"].submit(outer).result(_BOUND), PoolDeadlock)

    def test_a_task_that_waits_for_itself_is_told(self) -> None:
        """A circle of waits has no end, whatever room there is."""
        pool = self.pool(5)
        own: list[Any] = []
        gate = self.gate()

        def wait_for_myself() -> Any:
            gate.wait(_BOUND)
            return own[0].result()

        own.append(pool["work"].submit(wait_for_myself))
        gate.set()
        self.assertIsInstance(own[0].exception(_BOUND), PoolDeadlock)

    def test_a_callback_may_look_at_its_own_future(self) -> None:
        """What has ended is not waited for, also in the thread and the task that it ended in."""
        pool = self.pool(1)
        seen: list[int] = []
        gate, _ = self.occupy(pool, "work", 1)
        pool["work"].submit(int).add_done_callback(lambda future: seen.append(future.result()))
        gate.set()
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual([0], seen)

    def test_work_of_a_lane_that_cannot_help_hides_nothing(self) -> None:
        """Another lane that is busy in its own reserve makes no room, and the wait is told all the same."""
        pool = self.pool(2, slow=LaneLimits(), quick=LaneLimits(reserved=1))
        self.occupy(pool, "quick", 1)
        error = pool["slow"].submit(lambda: pool["slow"].submit(int).result()).exception(_BOUND)
        self.assertIsInstance(error, PoolDeadlock)

    def test_waiting_for_another_lane_is_fine(self) -> None:
        """A task may wait for one that another lane can run."""
        pool = self.pool(2, one=LaneLimits(cap=1), other=LaneLimits(reserved=1))
        self.assertEqual(0, pool["one"].submit(lambda: pool["other"].submit(int).result()).result(_BOUND))


class TestDelayed(PoolCase):
    def turn(self, pool: ElasticPool, seconds: float) -> None:
        self.clock.turn(seconds)
        pool.timer.fire_due()
        self.assertTrue(pool.drain(_BOUND))

    def test_delayed_work_runs_in_its_submitters_context(self) -> None:
        """Context variables travel with work that is to be done later, too."""
        pool = self.pool(1)
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
        seen: list[str] = []
        variable.set("mine")
        pool["work"].after(5.0, lambda: seen.append(variable.get()))
        variable.set("later")
        self.turn(pool, 5.0)
        self.assertEqual(["mine"], seen)

    def test_cancelled_before_its_time_it_is_not_done(self) -> None:
        """Delayed work can be cancelled."""
        pool = self.pool(1)
        ran = threading.Event()
        pool["work"].after(5.0, ran.set).cancel()
        self.turn(pool, 5.0)
        self.assertFalse(ran.is_set())

    def test_cancelled_while_it_is_queued_it_is_not_done(self) -> None:
        """Its time has come, and it waits for a worker: it can still be cancelled."""
        pool = self.pool(1)
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        delayed = pool["work"].after(5.0, ran.set)
        self.clock.turn(5.0)
        pool.timer.fire_due()
        delayed.cancel()
        gate.set()
        self.assertTrue(pool.drain(_BOUND))
        self.assertFalse(ran.is_set())

    def test_a_lane_that_is_full_then_is_tried_again(self) -> None:
        """What was accepted for later is not lost because there is no room at that moment."""
        self.useFixture(FakeLogger("baremetal_sdk"))
        pool = self.pool(1, work=LaneLimits(queue=0))
        gate, _ = self.occupy(pool, "work", 1)
        ran = threading.Event()
        pool["work"].after(5.0, ran.set)
        self.clock.turn(5.0)
        pool.timer.fire_due()
        gate.set()
        self.assertTrue(pool.drain(_BOUND))
        self.assertFalse(ran.is_set())
        self.turn(pool, 1.0)
        self.assertTrue(ran.is_set())


class TestStopping(PoolCase):
    def test_a_task_can_ask_whether_it_should_stop(self) -> None:
        """A running task that is asked to stop, and one whose pool closes, learn of it; what is no task never is."""
        pool = self.pool(2)
        begun = threading.Semaphore(0)

        def work() -> str:
            begun.release()
            while not should_stop():
                threading.Event().wait(0.001)
            return "stopped"

        asked, closed = pool["work"].submit(work), pool["work"].submit(work)
        for _ in range(2):
            self.assertTrue(begun.acquire(timeout=_BOUND))
        self.assertTrue(asked.request_stop())
        self.assertEqual("stopped", asked.result(_BOUND))
        self.assertFalse(closed.done())
        self.assertEqual([], pool.close(_BOUND))
        self.assertEqual(("stopped", False, False), (closed.result(_BOUND), should_stop(), closed.request_stop()))


class TestStatistics(PoolCase):
    def test_what_happened_is_counted(self) -> None:
        """Executed, failed, cancelled and refused tasks add up."""
        pool = self.pool(1, work=LaneLimits(queue=2))
        gate, _ = self.occupy(pool, "work", 1)
        failed, cancelled = pool["work"].submit(_raise, ValueError), pool["work"].submit(int)
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        cancelled.cancel()
        gate.set()
        failed.exception(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        seen = pool["work"].statistics
        self.assertEqual((2, 1, 1, 1), (seen.executed, seen.failures, seen.cancelled, seen.refused))
        self.assertEqual((0, 0, 1), (seen.busy, seen.queued, seen.idle))
        self.assertGreater(seen.run.p99, 0.0)

    def test_quantiles_are_within_a_quarter(self) -> None:
        """A quantile is at least the true one and at most a quarter above it."""
        durations = Durations()
        for number in range(1, 1001):
            durations.add(number / 1000)
        for share, seen in zip((0.5, 0.9, 0.99), durations.quantiles(), strict=True):
            self.assertTrue(share <= seen <= share * 1.26, (share, seen))


class TestKnownTraps(PoolCase):
    def test_285_busy_then_idle_then_the_next_one_is_accepted(self) -> None:
        """A ramp to the limit does not leave the pool refusing work once it is idle."""
        pool = self.pool(285, work=LaneLimits(queue=0))
        gate, futures = self.occupy(pool, "work", 285)
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)
        gate.set()
        for future in futures:
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))

    def test_four_exits_cost_a_pool_of_four_nothing(self) -> None:
        """SystemExit four times in a pool of four leaves four workers that work."""
        pool = self.pool(4)
        for future in [pool["work"].submit(_raise, SystemExit) for _ in range(4)]:
            self.assertIsInstance(future.exception(_BOUND), SystemExit)
        gate, futures = self.occupy(pool, "work", 4)
        gate.set()
        for future in futures:
            future.result(_BOUND)

    def test_shrinking_waits_for_nobody(self) -> None:
        """shrink() returns at once while a task runs."""
        pool = self.pool(2)
        self.occupy(pool, "work", 2)
        self.assertEqual(0, pool.shrink())

    def test_shutdown_without_waiting_settles_what_is_queued(self) -> None:
        """shutdown(wait=False) leaves no future pending for ever."""
        pool = self.pool(1)
        self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        pool.shutdown(wait=False)
        self.assertTrue(queued.cancelled())

    def test_shutdown_can_cancel_what_is_queued_and_wait_for_what_runs(self) -> None:
        """cancel_futures of the standard signature is heeded."""
        pool = self.pool(1)
        gate, (running,) = self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        queued.add_done_callback(lambda _: gate.set())
        pool.shutdown(wait=True, cancel_futures=True)
        self.assertEqual((True, False, True), (queued.cancelled(), running.cancelled(), running.done()))

    def test_an_idle_pool_closes_at_once(self) -> None:
        """Closing a pool of idle workers waits for nothing and leaves none."""
        pool = self.pool(10)
        gate, futures = self.occupy(pool, "work", 10)
        gate.set()
        for future in futures:
            future.result(_BOUND)
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(([], 0), (pool.close(0.0), pool.workers))

    def test_deep_nesting_is_an_error_and_not_a_crash(self) -> None:
        """Workers have stacks of the normal size: what nests too deep ends in its future."""
        pool = self.pool(1)
        nested = "[" * 100_000 + "]" * 100_000
        self.assertIsInstance(pool["work"].submit(json.loads, nested).exception(_BOUND), RecursionError)
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))

    def test_an_exit_in_a_callback_of_a_future_costs_no_worker(self) -> None:
        """Callbacks run on the worker; one that raises SystemExit is logged, and the pool has all its workers after that."""
        pool = self.pool(1)
        self.useFixture(FakeLogger("baremetal_sdk"))
        gate, _ = self.occupy(pool, "work", 1)

        def leave(_: Any) -> None:
            raise SystemExit(1)

        for function in (int, "no function"):
            pool["work"].submit(function).add_done_callback(leave)  # type: ignore[arg-type]
        gate.set()
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))


class TestClose(PoolCase):
    def test_close_waits_for_what_runs_and_is_queued(self) -> None:
        """Work that was accepted is done before the pool is closed."""
        pool = self.pool(1)
        gate, futures = self.occupy(pool, "work", 1)
        futures.append(pool["work"].submit(int))
        gate.set()
        self.assertEqual([], pool.close(_BOUND))
        self.assertTrue(all(future.done() for future in futures))
        self.assertRaises(NoFreeWorker, pool["work"].submit, int)

    def test_close_ends_in_time_whatever_tasks_do(self) -> None:
        """A task that never ends does not hold up the close; it is named, and what was queued is cancelled."""
        pool = self.pool(1)
        self.occupy(pool, "work", 1)
        queued = pool["work"].submit(int)
        stragglers = pool.close(0.01)
        self.assertEqual([True], ["hold in lane 'work'" in one.task and "gate.wait" in one.stack for one in stragglers])
        self.assertTrue(queued.cancelled())

    def test_nobody_waits_for_ever_for_a_task_that_was_left(self) -> None:
        """Also the future of a task that did not end is settled; that the task ends later harms nothing."""
        pool = self.pool(1)
        gate, (running,) = self.occupy(pool, "work", 1)
        self.assertEqual(1, len(pool.close(0.0)))
        self.assertIsInstance(running.exception(0), TaskAbandoned)
        gate.set()
        self.assertTrue(pool.drain(_BOUND))
        self.assertEqual(0, pool.workers)

    def test_a_task_may_submit_while_the_pool_closes(self) -> None:
        """A submission from a task of a pool that closes is refused, and does not hang."""
        pool = self.pool(1)
        gate = self.gate()
        closing = threading.Event()

        def submit_later() -> str:
            gate.wait(_BOUND)
            try:
                pool["work"].submit(int)
            except NoFreeWorker as exc:
                return exc.message
            return "accepted"

        future = pool["work"].submit(submit_later)
        closer = threading.Thread(target=lambda: (closing.set(), pool.close(_BOUND)))
        closer.start()
        self.assertTrue(closing.wait(_BOUND))
        while not pool.closing:
            closer.join(0.001)
        gate.set()
        closer.join(_BOUND)
        self.assertEqual("pool 'pool' is closed", future.result(0))

    def test_shutdown_of_a_lane_only_detaches(self) -> None:
        """Who was handed a lane as an executor cannot end the pool."""
        pool = self.pool(1)
        with pool["work"] as executor:
            executor.submit(int).result(_BOUND)
        self.assertEqual(0, pool["work"].submit(int).result(_BOUND))


def _raise(error: type[BaseException]) -> None:
    raise error
