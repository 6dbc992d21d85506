"""The workers of an engine: as many on each line as what is due there asks for, for as long as something is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from baremetal_interfaces import Busy
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.polling.work_queue import WorkQueue
from baremetal_sdk.store.records.query import Row

LOG = logging.getLogger(__name__)


class WorkerPool:
    """Has workers *take* one node of a line after the other. *done* is called when one of them ends; *name* is for the log."""

    def __init__(self, name: str, lane: Lane, take: Callable[[Row], None], done: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._lane = lane
        self._take = take
        self._done = done
        self._stopping = threading.Event()

    def staff(self, line: WorkQueue, seconds: float, most: int) -> None:
        """Have as many workers on *line* as get what is due there done in so many seconds, and at most so many."""
        wanted = line.crew.wanted(line.backlog, seconds, most)
        while line.crew.join(wanted):
            try:
                self._lane.submit(self._work, line)
            except Busy as exc:
                line.crew.leave()
                LOG.info("%s gets no more workers now: %s", self._name, exc)
                return

    def stop(self) -> None:
        """Let workers end with what they do now."""
        self._stopping.set()

    def _work(self, line: WorkQueue) -> None:
        """Take what is due, one node after the other, until nothing is or others get it done."""
        stays = True
        try:
            cpu = time.thread_time()
            while stays and not self._stopping.is_set() and (row := line.next()) is not None:
                began = time.monotonic()
                self._take(row)
                before, cpu = cpu, time.thread_time()
                seconds = time.monotonic() - began
                stays = line.crew.took(seconds, line.undisturbed(row.uuid, seconds), cpu - before)
        finally:
            if stays:
                line.crew.leave()
            self._done()
