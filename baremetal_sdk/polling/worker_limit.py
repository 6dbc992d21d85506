"""The number of polling workers, from Little's law and from the CPU time of a poll."""

from __future__ import annotations

import math

from baremetal_sdk.concurrency.locks import YieldingLock

_INITIAL_LATENCY_S = 0.1
"""Assumed seconds of a poll before the first one is measured."""
_EWMA_WEIGHT = 0.01
_MAX_GIL_SHARE = 0.6
"""Maximum share of the interpreter's time that polling may use. The rest is for all other work of the process."""
_MIN_USEFUL_WORKERS = 8
"""Number of workers that is allowed however much CPU time a poll takes."""
_SURPLUS_FACTOR = 1.1
"""Factor by which the workers may exceed the useful number, so that they do not start and end all the time."""


class WorkerLimit:
    """The number of workers of one queue, and the number that would be useful. Thread-safe.

    To poll *due* nodes within some seconds takes ``due * latency / seconds`` workers (Little's law). More than
    ``latency / CPU time`` workers would only compete for the interpreter and delay all other work.
    """

    def __init__(self) -> None:
        self._lock = YieldingLock()
        self._latency = _INITIAL_LATENCY_S
        self._baseline = _INITIAL_LATENCY_S
        self._cpu = 0.0
        self.size = 0
        """Number of workers."""

    def try_add(self, max_workers: int) -> bool:
        """Count one worker more and return True, or return False if *max_workers* are counted already."""
        with self._lock:
            if self.size >= max_workers:
                return False
            self.size += 1
            return True

    def remove(self) -> None:
        """Count one worker less."""
        with self._lock:
            self.size -= 1

    def record_poll(self, seconds: float, baseline: float, cpu: float) -> bool:
        """Record a poll, and return whether its worker should continue. If not, the worker is already counted out.

        *seconds* is the latency of the poll, *baseline* the latency of the same BMC without waits for the interpreter,
        and *cpu* the CPU time of the poll in this process; all are in seconds.
        """
        with self._lock:
            self._latency += _EWMA_WEIGHT * (seconds - self._latency)
            self._baseline += _EWMA_WEIGHT * (baseline - self._baseline)
            # The first measurement replaces the initial 0, because no guess of the CPU time would be near the truth.
            self._cpu += _EWMA_WEIGHT * (cpu - self._cpu) if self._cpu else cpu
            if self.size <= _SURPLUS_FACTOR * self._max_useful:
                return True
            # Counted out here: if several workers end polls at once, only the surplus ends.
            self.size -= 1
            return False

    def count_needed(self, due: int, seconds: float, max_workers: int) -> int:
        """Return how many workers, up to *max_workers*, can poll *due* nodes in so many seconds."""
        return math.ceil(min(due * self._latency / seconds, self._max_useful, max_workers))

    @property
    def _max_useful(self) -> float:
        # With the baseline and not the latency: waits for the interpreter make polls longer, and more workers would make
        # these waits longer still.
        return max(_MIN_USEFUL_WORKERS, _MAX_GIL_SHARE * self._baseline / self._cpu) if self._cpu > 0 else math.inf
