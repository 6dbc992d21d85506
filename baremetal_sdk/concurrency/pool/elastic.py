"""The elastic pool: starts, wakes and ends worker threads for the jobs of its lanes."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import threading
import time
from collections import deque
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Self

from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.concurrency.pool.admission import Admission, find_deadlocked
from baremetal_sdk.concurrency.pool.debounce import Debounced
from baremetal_sdk.concurrency.pool.job import Job, PoolDeadlock, PoolFuture, abandon
from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits
from baremetal_sdk.concurrency.pool.statistics import LaneStatistics
from baremetal_sdk.concurrency.pool.stragglers import Straggler, describe_stragglers
from baremetal_sdk.concurrency.pool.worker import Worker
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.errors import NoFreeWorker


class ElasticPool:
    """A pool with up to *max_workers* threads, shared by *lanes*. Admission counts busy and queued work, not threads.

    Idle workers form a stack: the worker that became idle last gets the next job. Workers at the bottom stay idle, so the
    pool can tell how many it did not need. After each *idle_window* (seconds) it ends the workers that were idle during
    the whole window, down to *min_workers*.

    Jobs that may run are ready, and workers take them from one queue. Only one worker is being woken at a time. When it
    has taken its job, it wakes the next worker if more jobs are ready. A burst of work would otherwise wake many threads
    at once, and they would only compete for the interpreter.

    Thread-safe. One lock protects the pool, its lanes, its admission and the workers. Methods whose names end with
    ``_locked`` require that the caller holds this lock.
    """

    def __init__(
        self,
        max_workers: int,
        lanes: Mapping[str, LaneLimits],
        *,
        name: str = "pool",
        idle_window: float = 30.0,
        min_workers: int = 0,
        timer: Timer | None = None,
    ) -> None:
        """Create a pool without threads, which start when jobs are submitted. Without *timer*, the pool makes and closes one."""
        if idle_window <= 0 or min_workers < 0:
            raise ValueError(f"pool '{name}': idle_window has to be more than 0 seconds, and min_workers 0 or more")
        self.name = name
        self.max_workers = max_workers
        self.closing = False
        """True if the pool accepts no more work."""
        self.timer = timer or Timer(f"{name}-timer")
        self.lanes: dict[str, Lane] = {}
        self._owns_timer = timer is None
        self._pid = os.getpid()
        self._lock = YieldingLock()
        self._job_ended = self._lock.condition()
        self._admission = Admission()
        # Idle workers, the one that became idle last on the right.
        self._idle: deque[Worker] = deque()
        self._all: set[Worker] = set()
        self._waking: Worker | None = None
        # The lowest number of idle workers since the last shrink: so many were never needed.
        self._low_water = 0
        self._drain_waiters = 0
        self._idle_window, self._min_workers = idle_window, min_workers
        self._shrink_later = Debounced(self.timer, self._shrink_and_repeat)
        self._check_slow_later = Debounced(self.timer, self._admit_beside_slow_jobs)
        self._thread_numbers = itertools.count(1)
        self.resize(max_workers, lanes)

    def __getitem__(self, lane: str) -> Lane:
        return self.lanes[lane]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def forked(self) -> bool:
        """True in a child process of ``fork``, which has a copy of the pool but none of its threads."""
        return os.getpid() != self._pid

    @property
    def workers(self) -> int:
        """Number of threads, including idle ones."""
        return 0 if self.forked else len(self._all)

    @property
    def idle(self) -> int:
        """Number of threads that wait for work."""
        return 0 if self.forked else len(self._idle)

    def resize(self, max_workers: int | None = None, lanes: Mapping[str, LaneLimits] | None = None) -> None:
        """Change limits at run time, and add lanes. Running jobs beyond a smaller limit run to their end.

        Raises ``ValueError`` if the lanes reserve more workers than the pool may have.
        """
        all_limits = {**{name: lane.limits for name, lane in self.lanes.items()}, **(lanes or {})}
        new_max = self.max_workers if max_workers is None else max_workers
        reserved = sum(limits.reserved for limits in all_limits.values())
        if new_max < 1 or reserved > new_max or not all_limits:
            raise ValueError(
                f"pool '{self.name}': {reserved} workers are reserved by {len(all_limits)} lanes and max_workers is {new_max}; "
                "it has to be at least 1 and not less than the reserved workers, and the pool needs a lane"
            )
        with self._lock:
            self.max_workers = new_max
            for name, limits in all_limits.items():
                if name in self.lanes:
                    self.lanes[name].limits = limits
                else:
                    self.lanes[name] = Lane(self, name, limits)
            self._admission.set_limits(new_max, self.lanes.values())
            surplus = min(len(self._idle), max(0, len(self._all) - new_max))
            self._dismiss_locked([self._idle.popleft() for _ in range(surplus)])
            self._low_water = min(self._low_water, len(self._idle))
            worker = self._choose_worker_locked()
        with contextlib.suppress(RuntimeError):
            self._wake(worker)

    def shrink(self) -> int:
        """End the idle workers that were not needed since the last call, and return their number.

        The pool's timer calls this method once in each idle window.
        """
        with self._lock:
            above_minimum = max(0, len(self._all) - self._min_workers)
            # From the bottom of the stack: these have been idle longest.
            surplus = [self._idle.popleft() for _ in range(min(self._low_water, len(self._idle), above_minimum))]
            self._low_water = len(self._idle)
            self._dismiss_locked(surplus)
        return len(surplus)

    def drain(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until no job runs or is queued; return whether that was reached."""
        with self._lock:
            return self._wait_until_done_locked(time.monotonic() + timeout)

    def close(self, timeout: float | None = None, *, cancel_queued: bool = False) -> list[Straggler]:
        """Accept no more work, wait up to *timeout* seconds for running and queued jobs, and return those that still run.

        Without *timeout* the wait has no limit. Jobs that have not begun are cancelled after the wait, or before it with
        *cancel_queued*. The futures of jobs that still run raise ``TaskAbandoned``, so that no caller waits for them forever.
        """
        if self.forked:
            return []
        give_up_at = math.inf if timeout is None else time.monotonic() + timeout
        with self._lock:
            self.closing = True
            cancelled_first = self._admission.remove_queued() if cancel_queued else []
        # Without the lock, because callbacks of futures may use the pool. Before the wait, because running jobs may await them.
        for job in cancelled_first:
            job.cancel()
        with self._lock:
            self._wait_until_done_locked(give_up_at)
            not_begun = self._admission.remove_queued() + self._admission.remove_ready()
            self._dismiss_locked(self._idle)
            self._idle.clear()
            running = {worker.job.future for worker in self._all if worker.job is not None}
        stragglers = self.stragglers(running)
        for job in not_begun:
            job.cancel()
        for future in running:
            abandon(future, f"pool '{self.name}' was closed before this task ended")
        self._shrink_later.cancel()
        if self._owns_timer:
            self.timer.close()
        return stragglers

    def stragglers(self, futures: Container[Future[Any]]) -> list[Straggler]:
        """Return a description of each task that runs now and whose future is among *futures*."""
        with self._lock:
            running = [(worker.job, worker.thread) for worker in self._all if worker.job is not None]
            # Under the lock, because a job that ends loses its future.
            return describe_stragglers((job, thread) for job, thread in running if job.future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work. With *wait*, wait for its end. Without *wait* or with *cancel_futures*, cancel queued work."""
        self.close(None if wait else 0.0, cancel_queued=cancel_futures)

    def submit_job(self, job: Job[Lane]) -> PoolFuture[Any]:
        """Run or queue a job of one of the lanes, and return its future.

        Raises ``NoFreeWorker`` if the lane is full, the pool is closed or no thread can be started, and ``RuntimeError``
        in a child process of ``fork``.
        """
        if self.forked:
            raise RuntimeError(
                f"pool '{self.name}' was made before this process was forked and has no threads here; make a pool in the child"
            )
        # Read now: the job may end, and lose its future, before this method returns.
        future, lane = job.future, job.lane
        with self._lock:
            if self.closing:
                raise NoFreeWorker(f"pool '{self.name}' accepts no work: it is closed", retry_after=1.0, lane=lane.name)
            if not self._admission.admit(job):
                raise lane.refuse_locked()
            worker = self._choose_worker_locked() if self._waking is None else None
            self._schedule_slow_check_locked(lane)
        # Without the lock: a worker that is woken while this thread holds the lock would wake only to wait for it.
        try:
            self._wake(worker)
        except RuntimeError as exc:
            # No thread could be started. If another worker has taken the job meanwhile, all is well.
            if self._withdraw(job):
                raise NoFreeWorker(f"pool '{self.name}' cannot run the task: no thread starts: {exc}", retry_after=1.0) from exc
        return future

    def begin_wait(self, waiter: Job[Lane], target: Job[Lane], until: float) -> None:
        """Record that one task waits for another *until* a time on the monotonic clock.

        Raises ``PoolDeadlock`` if *target* cannot run before that time.
        """
        with self._lock:
            waiter.waits_for, waiter.waits_until = target, until
            # The common case: the target runs and does not wait itself.
            if not target.is_queued and target.waits_for is None:
                return
            # A job that gives up before this one does may still free its worker for the target.
            waiting = (worker.job for worker in self._all if worker.job is not None and worker.job.waits_until >= until)
            deadlocked = find_deadlocked(waiting, self.lanes.values(), self.max_workers)
            if waiter in deadlocked:
                waiter.waits_for = None
                state = "is queued" if target.is_queued else "is waiting itself"
                raise PoolDeadlock(
                    f"{waiter} waits for {target}, which {state}, and all {len(deadlocked)} workers that could run it wait too; "
                    "give the lane more workers, or submit the awaited task to another lane"
                )

    def statistics_of(self, lane: Lane) -> LaneStatistics:
        """Return a snapshot of the counters and times of *lane*."""
        with self._lock:
            return lane.statistics_locked(idle=len(self._idle), low_water=self._low_water)

    def _schedule_slow_check_locked(self, lane: Lane) -> None:
        # Jobs of a lane with a CPU limit that become slow do not report it, so the timer looks for them.
        if lane.queue and lane.limits.cpu_limit and not self.closing:
            self._check_slow_later.after(lane.limits.slow_after)

    def _admit_beside_slow_jobs(self) -> None:
        """Make queued jobs ready in place of jobs that have become slow and no longer count for the CPU limit."""
        with self._lock:
            self._admission.promote()
            worker = self._choose_worker_locked() if self._waking is None else None
            for lane in self.lanes.values():
                self._schedule_slow_check_locked(lane)
        with contextlib.suppress(RuntimeError):
            self._wake(worker)

    def _wait_until_done_locked(self, give_up_at: float) -> bool:
        """Wait until no job runs or is queued; return False at the time *give_up_at*. The wait releases the lock."""
        while self._admission.busy or self._admission.queued:
            remaining = give_up_at - time.monotonic()
            if remaining <= 0:
                return False
            # Workers notify only while this count is above 0, which keeps notifications off the hot path.
            self._drain_waiters += 1
            self._job_ended.wait(None if remaining == math.inf else remaining)
            self._drain_waiters -= 1
        return True

    def _withdraw(self, job: Job[Lane]) -> bool:
        """Undo the admission of a job for which no thread could be started. Return False if a worker has taken it."""
        with self._lock:
            is_withdrawn = self._admission.withdraw(job)
            self._notify_drain_waiters_locked()
        return is_withdrawn

    def _choose_worker_locked(self) -> Worker | None:
        """Choose the worker to wake for the ready jobs: the worker that became idle last, or a new one.

        Returns None if no job is ready, or if a worker is already being woken: that worker wakes the next one.
        """
        if self._waking is not None or not self._admission.ready:
            return None
        if self._idle:
            # From the top of the stack, so that the workers below stay idle and can be ended.
            self._waking = self._idle.pop()
            self._low_water = min(self._low_water, len(self._idle))
        else:
            # No check of max_workers here: admission has made sure that the ready jobs may have workers.
            self._shrink_later.after(self._idle_window)
            self._waking = Worker()
            self._all.add(self._waking)
        return self._waking

    def _wake(self, worker: Worker | None) -> None:
        """Wake the chosen worker. Raises ``RuntimeError`` if the worker is new and the system cannot start its thread."""
        if worker is None:
            return
        if worker.thread is None:
            name = f"{self.name}-{next(self._thread_numbers)}"
            worker.thread = threading.Thread(target=self._run_worker, args=(worker,), name=name, daemon=True)
            try:
                worker.thread.start()
            except RuntimeError:
                # Without this the pool would wait for a wake-up that never comes.
                with self._lock:
                    self._all.discard(worker)
                    self._waking = None
                raise
        # A new thread has not slept yet: the release is kept in the lock, and its first acquire returns at once.
        worker.wake.release()

    def _dismiss_locked(self, workers: Iterable[Worker]) -> None:
        """Let the threads of these idle workers end. The caller removes the workers from the idle stack."""
        for worker in workers:
            worker.must_exit = True
            self._all.discard(worker)
            worker.wake.release()

    def _run_worker(self, worker: Worker) -> None:
        """Run jobs until ``must_exit`` is set. This is the body of a worker's thread."""
        thread = threading.current_thread()
        idle_name = thread.name
        while not worker.must_exit:
            # Sleeps here until _wake() or _dismiss_locked() releases the lock.
            worker.wake.acquire()
            lane = None
            while not worker.must_exit and (job := self._next_job(worker)) is not None:
                # Renamed only when the lane changes: successive jobs of a worker are often of one lane.
                if job.lane is not lane:
                    lane = job.lane
                    thread.name = f"{idle_name}-{lane.name}"
                job.run()
            thread.name = idle_name

    def _next_job(self, worker: Worker) -> Job[Lane] | None:
        """Account for the job that *worker* has ended, if any, and return its next job.

        Without a next job the worker becomes idle, or exits if the pool has too many workers.
        """
        ended_job, now = worker.job, time.monotonic()
        admission, ready = self._admission, self._admission.ready
        # One lock section for all steps: this is the hot path, and each section may cost a thread switch.
        with self._lock:
            # This worker is awake, so the next one may be woken.
            if self._waking is worker:
                self._waking = None
            if ended_job is not None:
                self._account_for_locked(ended_job, now)
            if admission.queued:
                admission.promote()
            if ready:
                worker.job = job = ready.popleft()
                job.started = now
            else:
                worker.job = job = None
                self._become_idle_locked(worker)
            next_worker = self._choose_worker_locked() if ready and self._waking is None else None
        if next_worker is not None:
            # If no thread can be started, the existing workers run the ready jobs later.
            with contextlib.suppress(RuntimeError):
                self._wake(next_worker)
        return job

    def _become_idle_locked(self, worker: Worker) -> None:
        if self.closing or len(self._all) > self.max_workers:
            worker.must_exit = True
            self._all.discard(worker)
        else:
            self._idle.append(worker)

    def _account_for_locked(self, job: Job[Lane], now: float) -> None:
        """Count a job that has ended, and detach it from its future: the future must not keep the arguments alive."""
        lane = job.lane
        if job.has_run:
            lane.waits.add(job.started - job.submitted)
            lane.runs.add(now - job.started)
            lane.failures += job.has_failed
        else:
            lane.cancelled += 1
        self._admission.release(job)
        job.detach()
        self._notify_drain_waiters_locked()

    def _notify_drain_waiters_locked(self) -> None:
        if self._drain_waiters:
            self._job_ended.notify_all()

    def _shrink_and_repeat(self) -> None:
        self.shrink()
        # Only while workers exist: an idle pool without threads needs no timer either.
        with self._lock:
            if self._all and not self.closing:
                self._shrink_later.after(self._idle_window)
