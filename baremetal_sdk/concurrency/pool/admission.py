"""Who may run: how much of the pool a lane may have, what is ready or queued, and which waits can never end because of it."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baremetal_sdk.concurrency.pool.job import Job
    from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits


class Admission:
    """The work that a pool has taken and that has not ended. Whoever uses it holds the pool's lock.

    Work that may run is ready, and counts as busy; what may not run yet is queued in its lane.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.queued = 0
        self.ready: deque[Job] = deque()
        self._lanes: tuple[Lane, ...] = ()
        self._most = 0
        self._kept = 0
        self._turn: Iterator[Lane] = iter(())

    def limit(self, most: int, lanes: Iterable[Lane]) -> None:
        """Set how many may be busy, in which lanes; what was queued and may run by that is ready."""
        self._most, self._lanes = most, tuple(lanes)
        self._kept = kept_for(self._lanes)
        self._turn = itertools.cycle(self._lanes)
        self.promote()

    def admit(self, job: Job) -> bool:
        """Make *job* ready, or queue it; False when its lane is full."""
        lane = job.lane
        full = len(lane.queue) >= lane.limits.queue
        if self._has_room(lane) and (full or not (lane.limits.cpu_limit and lane.is_crowded)):
            self._make_ready(job)
        elif not full:
            job.queued = True
            lane.queue.append(job)
            self.queued += 1
        else:
            return False
        return True

    def release(self, job: Job) -> None:
        """Count *job* as busy no more."""
        lane = job.lane
        lane.running.discard(job)
        lane.busy -= 1
        if lane.busy < lane.limits.reserved:
            self._kept += 1
        self.busy -= 1

    def promote(self) -> None:
        """Make ready what is queued and may run now."""
        while self.queued and self.busy < self._most and (job := self._next_queued()) is not None:
            self._make_ready(job)

    def take_back(self, job: Job) -> bool:
        """Undo the admission of a job for which there is no thread; False when somebody has taken it meanwhile."""
        if job not in self.ready:
            return False
        self.ready.remove(job)
        self.release(job)
        return True

    def take_queued(self) -> list[Job]:
        """Take out what is queued: it will not run."""
        taken = [job for lane in self._lanes for job in lane.queue]
        for lane in self._lanes:
            lane.cancelled += len(lane.queue)
            lane.queue.clear()
        self.queued = 0
        for job in taken:
            job.queued = False
        return taken

    def take_ready(self) -> list[Job]:
        """Take out what is to run and no worker has taken yet: it will not run."""
        taken = list(self.ready)
        self.ready.clear()
        for job in taken:
            job.lane.cancelled += 1
            self.release(job)
        return taken

    def _has_room(self, lane: Lane) -> bool:
        return admits(lane.limits, lane.busy, self.busy, self._most, self._kept)

    def _make_ready(self, job: Job) -> None:
        job.queued = False
        lane = job.lane
        if lane.limits.cpu_limit:
            lane.running.add(job)
        if lane.busy < lane.limits.reserved:
            self._kept -= 1
        lane.busy += 1
        self.busy += 1
        self.ready.append(job)

    def _next_queued(self) -> Job | None:
        """The oldest job of the next lane, in turn, that has one and may run it."""
        for _ in self._lanes:
            lane = next(self._turn)
            while lane.queue and self._has_room(lane) and not (lane.limits.cpu_limit and lane.is_crowded):
                job = lane.queue.popleft()
                self.queued -= 1
                if not job.cancelled:
                    return job
                job.cancel()
                lane.cancelled += 1
        return None


def admits(limits: LaneLimits, busy: int, total: int, most: int, kept: int) -> bool:
    """Whether a lane with *busy* workers may have one more, of *most* of which *total* are busy and *kept* are reserved.

    It may have one within its own reserve, or of what nobody else has reserved.
    """
    return busy < limits.cap and total < most and (busy < limits.reserved or total < most - kept)


def kept_for(lanes: Iterable[Lane], busy: Callable[[Lane], int] = attrgetter("busy")) -> int:
    """How many workers lanes may still have of their own reserves."""
    return sum(max(0, lane.limits.reserved - busy(lane)) for lane in lanes)


def stuck(waiting: Iterable[Job], lanes: Iterable[Lane], most: int) -> set[Job]:
    """Of running jobs that wait for other jobs, those that can never go on, whatever all the others do.

    A job goes on once what it waits for has run. What is queued can run when its lane has room, once everything has
    ended that is not stuck; what runs can end unless it is stuck itself.
    """
    left = set(waiting)
    while True:
        held = Counter(job.lane for job in left)
        freed = {job for job in left if _can_go_on(job, left, lanes, most, held)}
        if not freed:
            return left
        left -= freed


def _can_go_on(job: Job, left: set[Job], lanes: Iterable[Lane], most: int, held: Counter[Lane]) -> bool:
    target = job.waits_for
    if target is None:
        return True
    if not target.queued:
        return target not in left
    return admits(target.lane.limits, held[target.lane], held.total(), most, kept_for(lanes, held.__getitem__))
