"""Much to do that is not urgent for anybody who waits: it takes some workers of a lane, and never its queue."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import NoFreeWorker

LOG = logging.getLogger(__name__)


class Backlog:
    """Work by key, each key once at a time, on at most half of what *lane* may have.

    However much is added, clients find room in the lane's queue. What cannot begin now begins with a later ``add`` or
    ``start_workers``.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self._todo: deque[tuple[str, Callable[[str], object]]] = deque()
        self._workers = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, work: Callable[[str], object]) -> None:
        """Do *work* with *key*, unless something is to be done, or is being done, with that key already."""
        with self._lock:
            if key in self._keys:
                return
            self._keys.add(key)
            self._todo.append((key, work))
        self.start_workers()

    def start_workers(self) -> None:
        """Have as many workers as there is work for."""
        most = max(1, min(self._lane.limits.cap, self._lane.pool.max_workers) // 2)
        while True:
            with self._lock:
                if self._workers >= min(most, len(self._keys)) or not self._todo:
                    return
                self._workers += 1
            try:
                self._lane.submit(self._work)
            except NoFreeWorker as exc:
                LOG.info("%d nodes have to wait for a worker: %s", len(self._todo), exc)
                with self._lock:
                    self._workers -= 1
                return

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._workers -= 1
                    return
                key, work = self._todo.popleft()
            try:
                work(key)
            except BaseException:
                LOG.exception("work on %s failed", key)
            finally:
                with self._lock:
                    self._keys.discard(key)
