"""ElasticPool: native threads that come when there is work and go when there is none, in lanes that cannot starve each other."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.timer import Timed, Timer

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class LaneLimits:
    """How much of the pool a lane may have: *reserved* workers are its own, *cap* is its most, *queue* waits beyond that."""

    reserved: int = 0
    cap: int = 1_000_000
    queue: int = 1_000_000


@dataclass(frozen=True)
class LaneStatistics:
    """A lane at one moment; *refused* and *done* count since the start."""

    busy: int
    queued: int
    refused: int
    done: int


@dataclass(frozen=True)
class Straggler:
    """A task that did not end in time when its pool closed: the thread it is on and for how many seconds it has run."""

    thread: str
    lane: str
    age: float


class _Job:
    __slots__ = ("args", "context", "function", "future", "kwargs", "lane", "started")

    def __init__(self, lane: Lane, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.lane, self.function, self.args, self.kwargs = lane, function, args, kwargs
        self.future: Future[Any] = Future()
        self.context = contextvars.copy_context()
        self.started = 0.0

    def run(self) -> None:
        """Run in the submitter's context; whatever is raised ends in the future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.context.run(self.function, *self.args, **self.kwargs)
        except BaseException as exc:
            self.future.set_exception(exc)
        else:
            self.future.set_result(result)


class _Worker:
    __slots__ = ("job", "thread", "wake")

    def __init__(self) -> None:
        self.job: _Job | None = None
        self.wake = threading.Lock()
        self.wake.acquire()
        self.thread: threading.Thread | None = None


class Lane(Executor):
    """One bulkhead of a pool, an executor that can be handed on. Its ``shutdown`` only detaches: the pool lives on."""

    def __init__(self, pool: ElasticPool, name: str, limits: LaneLimits) -> None:
        self.name = name
        self.limits = limits
        self._pool = pool
        self._queue: deque[_Job] = deque()
        self._busy = 0
        self._refused = 0
        self._done = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run *fn* on a worker, now or when one is free; raise ``NoFreeWorker`` when busy and queued work fill the lane."""
        return self._pool._submit(_Job(self, fn, args, kwargs))

    def after(self, seconds: float, function: Callable[[], Any]) -> Timed:
        """Submit *function* in so many *seconds*. A refusal then is logged."""
        return self._pool.timer.after(seconds, lambda: self.submit(function))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the lane belongs to the pool."""

    def statistics(self) -> LaneStatistics:
        """What the lane does now."""
        return LaneStatistics(self._busy, len(self._queue), self._refused, self._done)

    def _refusal(self) -> NoFreeWorker:
        self._refused += 1
        return NoFreeWorker(
            f"lane '{self.name}' is full: {self._busy} busy, {len(self._queue)} queued, "
            f"limit {self.limits.cap} and {self.limits.queue}; come back in 1 s",
            retry_after=1.0,
            lane=self.name,
        )


class ElasticPool:
    """At most *max_workers* threads, shared by *lanes*. Admission counts busy and queued work, never idle threads.

    Idle workers are a stack: the one that was idle last works next, so that those below stay idle and can go. After each
    *idle_window* (seconds) as many of them end as were never needed in it.
    """

    def __init__(
        self,
        max_workers: int,
        lanes: Mapping[str, LaneLimits],
        *,
        name: str = "pool",
        idle_window: float = 30.0,
        timer: Timer | None = None,
    ) -> None:
        reserved = sum(limits.reserved for limits in lanes.values())
        if max_workers < 1 or reserved > max_workers:
            raise ValueError(f"pool '{name}': {reserved} workers are reserved by lanes, but max_workers is {max_workers}")
        self.name = name
        self.max_workers = max_workers
        self._owns_timer = timer is None
        self.timer = timer or Timer(f"{name}-timer")
        self.lanes: dict[str, Lane] = {lane: Lane(self, lane, limits) for lane, limits in lanes.items()}
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._idle: deque[_Worker] = deque()
        self._running: dict[_Worker, _Job] = {}
        self._workers = 0
        self._busy = 0
        self._low_water = 0
        self._closed = False
        self._numbers = itertools.count(1)
        self._turn = itertools.cycle(tuple(self.lanes.values()))
        self._idle_window = idle_window
        self._shrinking = self.timer.after(idle_window, self._shrink_and_repeat)

    def __getitem__(self, lane: str) -> Lane:
        return self.lanes[lane]

    @property
    def workers(self) -> int:
        """Threads that live now, idle ones included."""
        return self._workers

    def shrink(self) -> int:
        """End the idle workers that were not needed since the last call; give back how many. The pool's timer calls it."""
        with self._lock:
            surplus = [self._idle.popleft() for _ in range(min(self._low_water, len(self._idle)))]
            self._workers -= len(surplus)
            self._low_water = len(self._idle)
        for worker in surplus:
            worker.wake.release()
        return len(surplus)

    def drain(self, timeout: float) -> bool:
        """Wait, at most *timeout* seconds, until nothing runs and nothing is queued; whether that was reached."""
        until = time.monotonic() + timeout
        with self._settled:
            while self._busy or any(lane._queue for lane in self.lanes.values()):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._settled.wait(left)
            return True

    def close(self, timeout: float | None = None, *, cancel_queued: bool = False) -> list[Straggler]:
        """Refuse new work and wait, at most *timeout* seconds, for what runs and is queued; give back what did not end.

        Queued work that never began is cancelled at the end of the time, or at once with *cancel_queued*.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._settled:
            self._closed = True
            cancelled = self._take_queued() if cancel_queued else []
            while self._busy and (until is None or time.monotonic() < until):
                self._settled.wait(None if until is None else max(0.0, until - time.monotonic()))
            cancelled += self._take_queued()
            idle, self._idle = list(self._idle), deque()
            self._workers -= len(idle)
            stragglers = [self._straggler(worker, job) for worker, job in self._running.items()]
        for job in cancelled:
            job.future.cancel()
            job.future.set_running_or_notify_cancel()
        for worker in idle:
            worker.wake.release()
        self._shrinking.cancel()
        if self._owns_timer:
            self.timer.close()
        return stragglers

    def _submit(self, job: _Job) -> Future[Any]:
        with self._lock:
            if self._closed:
                raise NoFreeWorker(f"pool '{self.name}' is closed", retry_after=1.0, lane=job.lane.name)
            if self._may_run(job.lane):
                worker = self._worker_for(job)
            elif len(job.lane._queue) < job.lane.limits.queue:
                job.lane._queue.append(job)
                return job.future
            else:
                raise job.lane._refusal()
        self._hand_over(worker, job)
        return job.future

    def _may_run(self, lane: Lane) -> bool:
        """Whether *lane* may have one more worker: within its own reserve, or of what nobody else has reserved."""
        if lane._busy >= lane.limits.cap or self._busy >= self.max_workers:
            return False
        if lane._busy < lane.limits.reserved:
            return True
        kept = sum(max(0, other.limits.reserved - other._busy) for other in self.lanes.values() if other is not lane)
        return self._busy < self.max_workers - kept

    def _worker_for(self, job: _Job) -> _Worker:
        """Count *job* as running and find it a worker: the last idle one, or a new one without a thread yet."""
        job.lane._busy += 1
        self._busy += 1
        if self._idle:
            worker = self._idle.pop()
            self._low_water = min(self._low_water, len(self._idle))
        else:
            worker = _Worker()
            self._workers += 1
        self._running[worker] = job
        return worker

    def _hand_over(self, worker: _Worker, job: _Job) -> None:
        worker.job = job
        if worker.thread is not None:
            worker.wake.release()
            return
        worker.thread = threading.Thread(target=self._work, args=(worker,), daemon=True)
        worker.thread.name = f"{self.name}-{next(self._numbers)}"
        try:
            worker.thread.start()
        except RuntimeError as exc:
            with self._settled:
                self._workers -= 1
                self._finish(worker, job)
            raise NoFreeWorker(f"pool '{self.name}': no thread can be started: {exc}", retry_after=1.0) from exc

    def _work(self, worker: _Worker) -> None:
        thread = threading.current_thread()
        name = thread.name
        while (job := worker.job) is not None:
            worker.job = None
            thread.name = f"{name}-{job.lane.name}"
            job.started = time.monotonic()
            with contextlib.suppress(BaseException):
                job.run()
            thread.name = name
            self._next(worker, job)
            del job
            worker.wake.acquire()

    def _next(self, worker: _Worker, done: _Job) -> None:
        """Give *worker* the next job, or let it rest, or end it when the pool is closed."""
        with self._settled:
            self._finish(worker, done)
            job = self._next_queued()
            if job is not None:
                job.lane._busy += 1
                self._busy += 1
                self._running[worker] = job
                worker.job = job
                worker.wake.release()
            elif self._closed:
                self._workers -= 1
                worker.wake.release()
            else:
                self._idle.append(worker)

    def _finish(self, worker: _Worker, job: _Job) -> None:
        del self._running[worker]
        job.lane._busy -= 1
        job.lane._done += 1
        self._busy -= 1
        self._settled.notify_all()

    def _next_queued(self) -> _Job | None:
        """The oldest job of the next lane, in turn, that has one and may run it."""
        for _ in self.lanes:
            lane = next(self._turn)
            while lane._queue and self._may_run(lane):
                job = lane._queue.popleft()
                if not job.future.cancelled():
                    return job
        return None

    def _take_queued(self) -> list[_Job]:
        taken = [job for lane in self.lanes.values() for job in lane._queue]
        for lane in self.lanes.values():
            lane._queue.clear()
        return taken

    def _straggler(self, worker: _Worker, job: _Job) -> Straggler:
        thread = worker.thread.name if worker.thread else "?"
        return Straggler(thread, job.lane.name, time.monotonic() - job.started)

    def _shrink_and_repeat(self) -> None:
        self._shrinking = self.timer.after(self._idle_window, self._shrink_and_repeat)
        self.shrink()
