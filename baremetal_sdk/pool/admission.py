"""Who may run: how much of the pool a lane may have, and which waits can never end because of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baremetal_sdk.pool.job import Job
    from baremetal_sdk.pool.lane import Lane


def admits(lane: Lane, lanes: Iterable[Lane], most: int, total: int, busy: Callable[[Lane], int] = attrgetter("busy")) -> bool:
    """Whether *lane* may have one more worker, of *most* of which *total* are busy.

    It may have one within its own reserve, or of what nobody else has reserved.
    """
    own = busy(lane)
    if own >= lane.limits.cap or total >= most:
        return False
    if own < lane.limits.reserved:
        return True
    kept = sum(max(0, other.limits.reserved - busy(other)) for other in lanes if other is not lane)
    return total < most - kept


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
    return admits(target.lane, lanes, most, held.total(), held.__getitem__)
