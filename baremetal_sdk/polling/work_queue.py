"""A queue of due nodes, with the rows that are read from the store just before each poll."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from baremetal_sdk.polling.schedule import Schedule
from baremetal_sdk.polling.worker_limit import WorkerLimit
from baremetal_sdk.store.records.query import Row

_MAX_BATCH = 256
"""Maximum number of nodes that one query reads from the store."""
_MIN_BATCH = 16
_REFILL_SHARE = 1 / 4
"""Share of a batch at which one worker reads the next batch, while the others still have rows to work on."""
_BASELINE_WEIGHT = 0.1
"""EWMA weight with which higher latencies raise the baseline latency of a node."""


class WorkQueue:
    """A queue of due nodes with their current rows. One query reads the rows of many nodes. Thread-safe."""

    def __init__(self, schedule: Schedule, read_rows: Callable[[Sequence[str]], Sequence[Row]]) -> None:
        """Create a queue. *read_rows* returns the current rows of nodes; nodes that it leaves out are due after an interval."""
        self.schedule = schedule
        self.worker_limit = WorkerLimit()
        self._read_rows = read_rows
        self._ready: deque[Row] = deque()
        self._refill_lock = threading.Lock()
        self._baselines: dict[str, float] = {}

    @property
    def backlog(self) -> int:
        """Number of nodes that are due."""
        return self.schedule.backlog() + len(self._ready)

    def pop_due(self) -> Row | None:
        """Return the row of a due node, or None if no node is due. The caller schedules the node again after its poll."""
        while True:
            # One worker refills early; the others do not wait for it, because rows are left for them.
            if len(self._ready) < _REFILL_SHARE * self._batch_size and self._refill_lock.acquire(blocking=False):
                try:
                    self._refill_locked()
                finally:
                    self._refill_lock.release()
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            # No rows are left: wait for a refill by another worker, and refill if that brought none.
            with self._refill_lock:
                if not self._ready and not self._refill_locked():
                    return None

    def update_baseline(self, node: str, seconds: float) -> float:
        """Update the node's baseline latency after a poll that took so many *seconds*, and return it.

        The baseline estimates the latency of the BMC alone. Waits for the interpreter only make polls longer, so the
        baseline falls at once and rises slowly.
        """
        previous = self._baselines.get(node, seconds)
        baseline = seconds if seconds < previous else previous + _BASELINE_WEIGHT * (seconds - previous)
        self._baselines[node] = baseline
        return baseline

    def keep(self, nodes: Iterable[str]) -> None:
        """Schedule exactly these *nodes*, and drop the baselines of all others."""
        self.schedule.keep(nodes)
        # A copy of the keys: workers add baselines meanwhile.
        for node in list(self._baselines):
            if not self.schedule.has(node):
                del self._baselines[node]

    @property
    def _batch_size(self) -> int:
        """Number of nodes to read at once. It is small with few workers, so that rows are not old when a worker polls them."""
        return max(_MIN_BATCH, min(_MAX_BATCH, 2 * self.worker_limit.size))

    def _refill_locked(self) -> bool:
        """Read the rows of a batch of due nodes; return False if no node is due. The caller holds the refill lock."""
        nodes = self.schedule.take_due(self._batch_size)
        if not nodes:
            return False
        try:
            rows = self._read_rows(nodes)
        except BaseException:
            # Nodes that are taken and not rescheduled would never be due again.
            for node in nodes:
                self.schedule.again(node)
            raise
        self._ready.extend(rows)
        for node in set(nodes) - {row.uuid for row in rows}:
            self.schedule.again(node)
        return True
