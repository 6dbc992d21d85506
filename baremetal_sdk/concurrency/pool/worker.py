"""A worker, as its pool sees it."""

from __future__ import annotations

import threading

from baremetal_sdk.concurrency.pool.job import Job


class Worker:
    """A thread, the job that it runs, and how it is woken."""

    __slots__ = ("job", "leaves", "thread", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.leaves = False
        self.wake = threading.Lock()
        self.wake.acquire()
        self.thread: threading.Thread | None = None
