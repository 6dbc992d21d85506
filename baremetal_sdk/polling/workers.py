"""The workers of a poller: as many for each queue as its due nodes need, for as long as nodes are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from baremetal_interfaces import Busy
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.logs import get_logger
from baremetal_sdk.polling.work_queue import WorkQueue
from baremetal_sdk.store.records.query import Row

LOG = get_logger(__name__)


class WorkerPool:
    """The workers of a poller on a lane. Each calls *poll* for one due node after another, and *on_end* when it ends.

    *name* is for log lines.
    """

    def __init__(self, name: str, lane: Lane, poll: Callable[[Row], None], on_end: Callable[[], None]) -> None:
        self._name = name
        self._lane = lane
        self._poll = poll
        self._on_end = on_end
        self._stopping = threading.Event()

    def start(self, queue: WorkQueue, seconds: float, max_workers: int) -> None:
        """Start workers until *queue* has as many as can poll its due nodes in so many seconds, up to *max_workers*.

        If the lane is full, log this and return.
        """
        needed = queue.worker_limit.count_needed(queue.backlog, seconds, max_workers)
        while queue.worker_limit.try_add(needed):
            try:
                self._lane.submit(self._run, queue)
            except Busy as exc:
                queue.worker_limit.remove()
                LOG.info("%s gets no more workers now: %s", self._name, exc)
                return

    def stop(self) -> None:
        """Let each worker end after its current poll, and return at once."""
        self._stopping.set()

    def _run(self, queue: WorkQueue) -> None:
        """Poll due nodes until none is left, or until the other workers can do without this one."""
        is_needed = True
        try:
            cpu = time.thread_time()
            while is_needed and not self._stopping.is_set() and (row := queue.pop_due()) is not None:
                began = time.monotonic()
                self._poll(row)
                cpu_before, cpu = cpu, time.thread_time()
                seconds = time.monotonic() - began
                baseline = queue.update_baseline(row.uuid, seconds)
                # The CPU time includes the reading of rows, which the latency does not.
                is_needed = queue.worker_limit.record_poll(seconds, baseline, cpu - cpu_before)
        finally:
            # A worker that is not needed was counted out by record_poll().
            if is_needed:
                queue.worker_limit.remove()
            self._on_end()
