"""A worker of a pool: its thread, its current job, and the lock that wakes it."""

from __future__ import annotations

import threading

from baremetal_sdk.concurrency.pool.job import Job
from baremetal_sdk.concurrency.pool.lane import Lane


class Worker:
    """A worker thread, its current job, and the lock that wakes it.

    ``wake`` is a lock that is held while the worker sleeps. The worker sleeps by acquiring it, and another thread wakes
    the worker by releasing it. A plain lock wakes exactly one thread and is faster than a condition.
    """

    __slots__ = ("job", "must_exit", "thread", "wake")

    def __init__(self) -> None:
        self.job: Job[Lane] | None = None
        self.must_exit = False
        self.wake = threading.Lock()
        self.wake.acquire()
        self.thread: threading.Thread | None = None
        """None until the first wake-up, which starts the thread."""
