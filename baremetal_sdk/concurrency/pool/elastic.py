"""The pool itself: who works, who rests, who is let go, and how it ends."""

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
from baremetal_sdk.concurrency.pool.admission import Admission, stuck
from baremetal_sdk.concurrency.pool.debounce import Debounced
from baremetal_sdk.concurrency.pool.job import Job, PoolDeadlock, PoolFuture, abandon
from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits
from baremetal_sdk.concurrency.pool.statistics import LaneStatistics
from baremetal_sdk.concurrency.pool.stragglers import Straggler, stragglers_of
from baremetal_sdk.concurrency.pool.worker import Worker
from baremetal_sdk.concurrency.timer import Timer
from baremetal_sdk.errors import NoFreeWorker


class ElasticPool:
    """At most *max_workers* threads, shared by *lanes*. Admission counts busy and queued work, never idle threads.

    Idle workers are a stack: the one that was idle last works next, so that those below stay idle and can go. After each
    *idle_window* (seconds) as many of them end as were never needed in it, down to *min_workers*.

    Work that may run is ready; workers take it from there. Only one of them is being woken at a time, and wakes the next
    one if there is more: a thousand threads that wake at once would do nothing but fight for the interpreter.
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
        if idle_window <= 0 or min_workers < 0:
            raise ValueError(f"pool '{name}': idle_window has to be more than 0 seconds, and min_workers at least 0")
        self.name = name
        self.max_workers = max_workers
        self.closing = False
        """Whether it takes no more work."""
        self.timer = timer or Timer(f"{name}-timer")
        self.lanes: dict[str, Lane] = {}
        self._owns_timer = timer is None
        self._pid = os.getpid()
        self._lock = YieldingLock()
        self._settled = self._lock.condition()
        self._admission = Admission()
        self._idle: deque[Worker] = deque()
        self._all: set[Worker] = set()
        self._waking: Worker | None = None
        self._watched = self._low_water = 0
        self._idle_window, self._min_workers = idle_window, min_workers
        self._shrinking = Debounced(self.timer, self._shrink_and_repeat)
        self._looking = Debounced(self.timer, self._look)
        self._numbers = itertools.count(1)
        self.resize(max_workers, lanes)

    def __getitem__(self, lane: str) -> Lane:
        return self.lanes[lane]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def forked(self) -> bool:
        """Whether this is the copy of a pool in a child of ``fork``, where none of its threads are."""
        return os.getpid() != self._pid

    @property
    def workers(self) -> int:
        """Threads that live now, idle ones included."""
        return 0 if self.forked else len(self._all)

    @property
    def idle(self) -> int:
        """Threads that wait for work."""
        return 0 if self.forked else len(self._idle)

    def resize(self, max_workers: int | None = None, lanes: Mapping[str, LaneLimits] | None = None) -> None:
        """Change the limits while it runs, and add lanes. What runs beyond a smaller limit runs to its end."""
        wanted = {**{name: lane.limits for name, lane in self.lanes.items()}, **(lanes or {})}
        most = self.max_workers if max_workers is None else max_workers
        reserved = sum(limits.reserved for limits in wanted.values())
        if most < 1 or reserved > most or not wanted:
            raise ValueError(
                f"pool '{self.name}': {reserved} workers are reserved by {len(wanted)} lanes, and max_workers is {most}; it has "
                "to be at least 1 and what is reserved, and there has to be a lane"
            )
        with self._lock:
            self.max_workers = most
            for name, limits in wanted.items():
                if name in self.lanes:
                    self.lanes[name].limits = limits
                else:
                    self.lanes[name] = Lane(self, name, limits)
            self._admission.limit(most, self.lanes.values())
            surplus = min(len(self._idle), max(0, len(self._all) - most))
            self._dismiss([self._idle.popleft() for _ in range(surplus)])
            self._low_water = min(self._low_water, len(self._idle))
            worker = self._choose_worker()
        with contextlib.suppress(RuntimeError):
            self._rouse(worker)

    def shrink(self) -> int:
        """End the idle workers that were not needed since the last call; give back how many. The pool's timer calls it."""
        with self._lock:
            spare = max(0, len(self._all) - self._min_workers)
            surplus = [self._idle.popleft() for _ in range(min(self._low_water, len(self._idle), spare))]
            self._low_water = len(self._idle)
            self._dismiss(surplus)
        return len(surplus)

    def drain(self, timeout: float) -> bool:
        """Wait, at most *timeout* seconds, until nothing runs and nothing is queued; whether that was reached."""
        with self._settled:
            return self._wait_until_done(time.monotonic() + timeout)

    def close(self, timeout: float | None = None, *, cancel_queued: bool = False) -> list[Straggler]:
        """Take no more work and wait, at most *timeout* seconds, for what runs and is queued; give back what did not end.

        Queued work that never began is cancelled at the end of the time, or at once with *cancel_queued*. The futures of
        what runs on raise ``TaskAbandoned``: nobody waits for them for ever.
        """
        if self.forked:
            return []
        until = math.inf if timeout is None else time.monotonic() + timeout
        with self._settled:
            self.closing = True
            at_once = self._admission.take_queued() if cancel_queued else []
        for job in at_once:
            job.cancel()  # before the wait: what runs may wait for it
        with self._settled:
            self._wait_until_done(until)
            never_begun = self._admission.take_queued() + self._admission.take_ready()
            self._dismiss(self._idle)
            self._idle.clear()
            left = {worker.job.future for worker in self._all if worker.job is not None}
        stragglers = self.stragglers(left)
        for job in never_begun:
            job.cancel()
        for future in left:
            abandon(future, f"pool '{self.name}' was closed, and this task did not end")
        self._shrinking.cancel()
        if self._owns_timer:
            self.timer.close()
        return stragglers

    def stragglers(self, futures: Container[Future[Any]]) -> list[Straggler]:
        """Of the tasks with these futures, those that run now."""
        with self._lock:
            running = [(worker.job, worker.thread) for worker in self._all if worker.job is not None]
            return stragglers_of((job, thread) for job, thread in running if job.future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close as an executor does: with *wait* until all work has ended, without it at once."""
        self.close(None if wait else 0.0, cancel_queued=cancel_futures)

    def submit_job(self, job: Job) -> PoolFuture[Any]:
        """Run or queue a job of one of the lanes, or refuse it."""
        if self.forked:
            raise RuntimeError(
                f"pool '{self.name}' was made before this process was forked, and has no threads here; make one in the child"
            )
        future, lane = job.future, job.lane  # kept here: a job that has ended parts from its future
        with self._lock:
            if self.closing:
                raise NoFreeWorker(f"pool '{self.name}' is closed", retry_after=1.0, lane=lane.name)
            if not self._admission.admit(job):
                raise lane.refusal()
            worker = self._choose_worker() if self._waking is None else None
            self._look_later(lane)
        # Out here: a worker that is woken while we hold the lock wakes to wait for it.
        try:
            self._rouse(worker)
        except RuntimeError as exc:
            if self._take_back(job):
                raise NoFreeWorker(f"pool '{self.name}': no thread can be started: {exc}", retry_after=1.0) from exc
        return future

    def begin_wait(self, waiter: Job, target: Job, until: float) -> None:
        """Note that one task waits for another, *until* a time; raise ``PoolDeadlock`` when that one cannot run before it."""
        with self._lock:
            waiter.waits_for, waiter.waits_until = target, until
            if not target.queued and target.waits_for is None:
                return
            # Who gives up earlier than this one may still make room for it.
            waiting = (worker.job for worker in self._all if worker.job is not None and worker.job.waits_until >= until)
            left = stuck(waiting, self.lanes.values(), self.max_workers)
            if waiter in left:
                waiter.waits_for = None
                state = "is queued" if target.queued else "waits itself"
                raise PoolDeadlock(
                    f"{waiter} waits for {target}, which {state}, and all {len(left)} workers that could help wait like that"
                )

    def statistics_of(self, lane: Lane) -> LaneStatistics:
        """The statistics of one lane."""
        with self._lock:
            return lane.counted(idle=len(self._idle), low_water=self._low_water)

    def _look_later(self, lane: Lane) -> None:
        if lane.queue and lane.limits.cpu_limit and not self.closing:
            self._looking.after(lane.limits.slow_after)

    def _look(self) -> None:
        """Let others run in place of what is held up in brisk lanes."""
        with self._lock:
            self._admission.promote()
            worker = self._choose_worker() if self._waking is None else None
            for lane in self.lanes.values():
                self._look_later(lane)
        with contextlib.suppress(RuntimeError):
            self._rouse(worker)

    def _wait_until_done(self, until: float) -> bool:
        """Wait until nothing runs and nothing is queued. Workers tell of a job's end only while somebody waits."""
        while self._admission.busy or self._admission.queued:
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._watched += 1
            self._settled.wait(None if left == math.inf else left)
            self._watched -= 1
        return True

    def _take_back(self, job: Job) -> bool:
        """Undo what was done for a job that no thread can be had for; False when somebody has taken it meanwhile."""
        with self._settled:
            taken = self._admission.take_back(job)
            self._tell_watchers()
        return taken

    def _choose_worker(self) -> Worker | None:
        """The worker to wake for what is ready, unless one is being woken: the last idle one, or a new one."""
        if self._waking is not None or not self._admission.ready:
            return None
        if self._idle:
            self._waking = self._idle.pop()
            self._low_water = min(self._low_water, len(self._idle))
        else:
            self._shrinking.after(self._idle_window)
            self._waking = Worker()
            self._all.add(self._waking)
        return self._waking

    def _rouse(self, worker: Worker | None) -> None:
        """Wake the worker that was chosen; raise ``RuntimeError`` when it would need a thread and there is none to be had."""
        if worker is None:
            return
        if worker.thread is None:
            name = f"{self.name}-{next(self._numbers)}"
            worker.thread = threading.Thread(target=self._work, args=(worker,), name=name, daemon=True)
            try:
                worker.thread.start()
            except RuntimeError:
                with self._lock:
                    self._all.discard(worker)
                    self._waking = None
                raise
        worker.wake.release()

    def _dismiss(self, workers: Iterable[Worker]) -> None:
        """Let idle workers end."""
        for worker in workers:
            worker.leaves = True
            self._all.discard(worker)
            worker.wake.release()

    def _work(self, worker: Worker) -> None:
        thread = threading.current_thread()
        name = thread.name
        while not worker.leaves:
            worker.wake.acquire()
            lane = None
            while not worker.leaves and (job := self._next(worker)) is not None:
                if job.lane is not lane:
                    lane = job.lane
                    thread.name = f"{name}-{lane.name}"
                job.run()
            thread.name = name

    def _next(self, worker: Worker) -> Job | None:
        """The next job of a worker that has woken or has ended one; without one it rests, or ends when there are too many."""
        ended, now = worker.job, time.monotonic()
        admission, ready = self._admission, self._admission.ready
        with self._lock:
            if self._waking is worker:
                self._waking = None
            if ended is not None:
                self._settle(ended, now)
            if admission.queued:
                admission.promote()
            if ready:
                worker.job = job = ready.popleft()
                job.started = now
            else:
                worker.job = job = None
                self._rest(worker)
            roused = self._choose_worker() if ready and self._waking is None else None
        if roused is not None:
            with contextlib.suppress(RuntimeError):
                # Where no thread can be had now, those that there are will come to it.
                self._rouse(roused)
        return job

    def _rest(self, worker: Worker) -> None:
        if self.closing or len(self._all) > self.max_workers:
            worker.leaves = True
            self._all.discard(worker)
        else:
            self._idle.append(worker)

    def _settle(self, job: Job, now: float) -> None:
        """Count a job that has ended, and let it go: a future does not keep what its task was made of."""
        lane = job.lane
        if job.ran:
            lane.waits.add(job.started - job.submitted)
            lane.runs.add(now - job.started)
            lane.failures += job.failed
        else:
            lane.cancelled += 1
        self._admission.release(job)
        job.detach()
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        if self._watched:
            self._settled.notify_all()

    def _shrink_and_repeat(self) -> None:
        self.shrink()
        with self._lock:
            if self._all and not self.closing:
                self._shrinking.after(self._idle_window)
