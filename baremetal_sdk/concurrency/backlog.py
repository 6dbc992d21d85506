"""A backlog of background work that uses some workers of a lane and leaves the lane's queue to other work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from baremetal_sdk.concurrency.failures import log_failure
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)


class Backlog:
    """A queue of background work that runs on up to half of the workers of *lane*. Work for one key never runs twice at once.

    The queue has no limit and does not fill the queue of the lane, which stays free for the work of clients. If the lane is
    full, the work stays in the backlog until the next ``add`` or ``start_workers``. Thread-safe.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._lock = threading.Lock()
        # Keys that are pending or running.
        self._keys: set[str] = set()
        self._pending: deque[tuple[str, Callable[[str], object]]] = deque()
        self._worker_count = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, work: Callable[[str], object]) -> None:
        """Add *work*, which is called with *key*. Do nothing if work with this key is pending or running."""
        with self._lock:
            if key in self._keys:
                return
            self._keys.add(key)
            self._pending.append((key, work))
        self.start_workers()

    def start_workers(self) -> None:
        """Start as many workers as the pending work and the limit allow. If the lane is full, log this and return."""
        max_workers = max(1, min(self._lane.limits.cap, self._lane.pool.max_workers) // 2)
        while True:
            with self._lock:
                if self._worker_count >= min(max_workers, len(self._keys)) or not self._pending:
                    return
                # Counted before the submission, so that two callers cannot start one worker too many.
                self._worker_count += 1
            try:
                self._lane.submit(self._run_worker)
            except NoFreeWorker as exc:
                LOG.info("%d nodes in the backlog wait for a worker: %s", len(self._pending), exc)
                with self._lock:
                    self._worker_count -= 1
                return

    def _run_worker(self) -> None:
        while True:
            with self._lock:
                # Checked and counted in one section: work that is added later finds the lower count and starts a worker.
                if not self._pending:
                    self._worker_count -= 1
                    return
                key, work = self._pending.popleft()
            try:
                work(key)
            except BaseException as exc:
                log_failure(LOG, exc, "background work on %s failed", key)
            finally:
                with self._lock:
                    self._keys.discard(key)
