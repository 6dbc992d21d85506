"""Admission to a pool: decides whether a job runs, is queued or is refused, and finds waits that can never end."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

from baremetal_sdk.concurrency.pool.job import Job
from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits


class Admission:
    """The jobs that a pool has accepted and that have not ended.

    A job that may run is *ready* and counts as busy, although no worker may have taken it yet. Other jobs are queued in
    their lanes. Not thread-safe: every method requires that the caller holds the pool's lock.
    """

    def __init__(self) -> None:
        self.busy = 0
        """Number of jobs that run or are ready."""
        self.queued = 0
        """Number of jobs that are queued in all lanes."""
        self.ready: deque[Job[Lane]] = deque()
        """Jobs that may run and that no worker has taken yet, oldest first."""
        self._lanes: tuple[Lane, ...] = ()
        self._max_busy = 0
        # Workers that lanes may still claim from their reserves. The count is kept up to date on each change, because
        # admission is on the path of every submission.
        self._unclaimed = 0
        self._lane_cycle: Iterator[Lane] = iter(())

    def set_limits(self, max_busy: int, lanes: Iterable[Lane]) -> None:
        """Set the number of jobs that may be busy, and the lanes; make queued jobs ready if the new limits allow it."""
        self._max_busy, self._lanes = max_busy, tuple(lanes)
        self._unclaimed = count_unclaimed(self._lanes)
        self._lane_cycle = itertools.cycle(self._lanes)
        self.promote()

    def admit(self, job: Job[Lane]) -> bool:
        """Make *job* ready, or queue it, and return True. Return False if its lane is full."""
        lane = job.lane
        is_full = len(lane.queue) >= lane.limits.queue
        # A full queue overrides the CPU limit, which only delays work: a job is refused only if the cap is reached too.
        if self._may_run(lane) and (is_full or not (lane.limits.cpu_limit and lane.is_cpu_limited_locked())):
            self._make_ready(job)
        elif not is_full:
            job.is_queued = True
            lane.queue.append(job)
            self.queued += 1
        else:
            return False
        return True

    def release(self, job: Job[Lane]) -> None:
        """Stop counting *job* as busy, because it has ended or is withdrawn."""
        lane = job.lane
        lane.running.discard(job)
        lane.busy -= 1
        # Below its reserve the lane may claim this worker again.
        if lane.busy < lane.limits.reserved:
            self._unclaimed += 1
        self.busy -= 1

    def promote(self) -> None:
        """Make queued jobs ready for as long as the limits allow it."""
        while self.queued and self.busy < self._max_busy and (job := self._pop_queued()) is not None:
            self._make_ready(job)

    def withdraw(self, job: Job[Lane]) -> bool:
        """Undo the admission of a ready job. Return False if a worker has taken the job meanwhile."""
        if job not in self.ready:
            return False
        self.ready.remove(job)
        self.release(job)
        return True

    def remove_queued(self) -> list[Job[Lane]]:
        """Remove and return all queued jobs. The caller cancels them."""
        removed = [job for lane in self._lanes for job in lane.queue]
        for lane in self._lanes:
            lane.cancelled += len(lane.queue)
            lane.queue.clear()
        self.queued = 0
        for job in removed:
            job.is_queued = False
        return removed

    def remove_ready(self) -> list[Job[Lane]]:
        """Remove and return all ready jobs that no worker has taken. The caller cancels them."""
        removed = list(self.ready)
        self.ready.clear()
        for job in removed:
            job.lane.cancelled += 1
            self.release(job)
        return removed

    def _may_run(self, lane: Lane) -> bool:
        return may_admit(lane.limits, lane.busy, total=self.busy, max_busy=self._max_busy, unclaimed=self._unclaimed)

    def _make_ready(self, job: Job[Lane]) -> None:
        job.is_queued = False
        lane = job.lane
        if lane.limits.cpu_limit:
            lane.running.add(job)
        # Compared before the count goes up: the job uses the reserve only if the lane is still below it.
        if lane.busy < lane.limits.reserved:
            self._unclaimed -= 1
        lane.busy += 1
        self.busy += 1
        self.ready.append(job)

    def _pop_queued(self) -> Job[Lane] | None:
        """Remove and return the oldest queued job of the next lane that may run one, or return None.

        The cycle over the lanes continues after the lane of the last call, so lanes with long queues do not starve others.
        """
        for _ in self._lanes:
            lane = next(self._lane_cycle)
            while lane.queue and self._may_run(lane) and not (lane.limits.cpu_limit and lane.is_cpu_limited_locked()):
                job = lane.queue.popleft()
                self.queued -= 1
                if not job.cancelled:
                    return job
                # Cancelled while it was queued: cancel() only marks the future, so the job is dropped here.
                job.cancel()
                lane.cancelled += 1
        return None


def may_admit(limits: LaneLimits, busy: int, *, total: int, max_busy: int, unclaimed: int) -> bool:
    """Return whether a lane with *busy* jobs may run one more, while *total* jobs are busy in all lanes.

    The lane may use its own reserve, or workers that are not needed for the *unclaimed* reserves of the lanes.
    """
    # Within its reserve a lane needs only a free worker. Beyond it, a worker has to remain for each unclaimed reserve.
    return busy < limits.cap and total < max_busy and (busy < limits.reserved or total < max_busy - unclaimed)


def count_unclaimed(lanes: Iterable[Lane], busy: Callable[[Lane], int] = attrgetter("busy")) -> int:
    """Return the number of workers that the lanes may still claim from their reserves."""
    return sum(max(0, lane.limits.reserved - busy(lane)) for lane in lanes)


def find_deadlocked(waiting: Iterable[Job[Lane]], lanes: Iterable[Lane], max_busy: int) -> set[Job[Lane]]:
    """Return the waiting jobs that can never proceed, whatever all other jobs do.

    A job proceeds once the job that it waits for has run. The search assumes the best case: all jobs that are not
    deadlocked end and free their workers. A queued job can then run if its lane has a free worker, and a running job can
    end unless it is deadlocked itself. The search frees jobs until a round frees none; the remaining jobs are deadlocked.
    """
    remaining = set(waiting)
    while True:
        held_workers = Counter(job.lane for job in remaining)
        freed = {job for job in remaining if _can_proceed(job, remaining, lanes, max_busy, held_workers)}
        if not freed:
            return remaining
        # The freed jobs end and give up their workers, which may let more jobs proceed in the next round.
        remaining -= freed


def _can_proceed(
    job: Job[Lane], remaining: set[Job[Lane]], lanes: Iterable[Lane], max_busy: int, held_workers: Counter[Lane]
) -> bool:
    target = job.waits_for
    if target is None:
        return True
    if not target.is_queued:
        return target not in remaining
    # In the best case only deadlocked jobs hold workers, so all others are free for the target's lane.
    return may_admit(
        target.lane.limits,
        held_workers[target.lane],
        total=held_workers.total(),
        max_busy=max_busy,
        unclaimed=count_unclaimed(lanes, held_workers.__getitem__),
    )
