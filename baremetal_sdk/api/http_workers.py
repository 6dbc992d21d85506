"""The threads that serve requests: as many as are needed, up to a limit, and never fewer than a minimum once started."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from baremetal_interfaces import Deadline

T = TypeVar("T")
LOG = logging.getLogger(__name__)
_IDLE = 30.0
"""Seconds after which a thread that nobody needed ends."""


class _Worker(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item: T | None = item
        self.wake = threading.Semaphore(0)
        self.thread: threading.Thread | None = None


class Workers(Generic[T]):
    """Hands items to threads, the one that became idle last first, so that those nobody needs can end.

    No exception that *handle* raises ends a thread.
    """

    def __init__(self, handle: Callable[[T], None], *, minimum: int, maximum: int, waiting: int, name: str) -> None:
        self._handle = handle
        self._minimum, self._maximum, self._waiting = minimum, max(minimum, maximum), waiting
        self._name = name
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._workers: set[_Worker[T]] = set()
        self._idle: list[_Worker[T]] = []
        self._queue: deque[T] = deque()
        self._closed = False

    def put(self, item: T) -> bool:
        """Have *item* handled; False when too many wait already, or when it is closed."""
        with self._lock:
            if self._closed:
                return False
            if self._idle:
                worker = self._idle.pop()
                worker.item = item
                worker.wake.release()
                return True
            if len(self._workers) < self._maximum and self._spawn(item):
                return True
            if len(self._queue) >= self._waiting or not self._workers:
                return False
            self._queue.append(item)
            return True

    def close(self) -> None:
        """Take nothing more. What waits is still handled, and threads end when nothing does."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker.wake.release()
            self._idle.clear()

    def abandon(self) -> list[T]:
        """Drop what waits, and give it back with what is being handled."""
        with self._lock:
            left = [*self._queue, *(worker.item for worker in self._workers if worker.item is not None)]
            self._queue.clear()
        return left

    def join(self, deadline: Deadline) -> bool:
        """Wait until all threads have ended; tell whether they had, by the deadline."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._workers, timeout=deadline.remaining())

    def _spawn(self, item: T) -> bool:
        worker = _Worker(item)
        worker.thread = threading.Thread(target=self._run, args=(worker,), name=self._next_name(), daemon=True)
        self._workers.add(worker)
        try:
            worker.thread.start()
        except RuntimeError:
            self._workers.discard(worker)
            return False
        return True

    def _next_name(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def _run(self, worker: _Worker[T]) -> None:
        try:
            while worker.item is not None:
                try:
                    self._handle(worker.item)
                except BaseException:
                    LOG.exception("an HTTP connection ended with an error")
                worker.item = None
                self._next(worker)
        finally:
            with self._changed:
                self._workers.discard(worker)
                self._changed.notify_all()

    def _next(self, worker: _Worker[T]) -> None:
        """Give *worker* its next item, for which it waits as long as it takes; none means that it is to end."""
        with self._lock:
            if self._queue:
                worker.item = self._queue.popleft()
                return
            if self._closed:
                return
            self._idle.append(worker)
        while not worker.wake.acquire(timeout=_IDLE):
            with self._lock:
                if worker in self._idle and len(self._workers) > self._minimum:
                    self._idle.remove(worker)
                    return
