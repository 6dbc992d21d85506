"""Work that waits for its node: first in, first out, and no thread waits with it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from baremetal_interfaces import BareMetalError, Busy, NodeLocked
from baremetal_sdk.pool import Lane
from baremetal_sdk.task import NodeTask
from baremetal_sdk.tasks import Tasks

_ELSEWHERE = 1.0
"""Seconds until a node that another conductor holds, or a full lane, is tried again."""

Work = Callable[[NodeTask], Any]


class _Queued(NamedTuple):
    purpose: str
    work: Work
    future: Future[Any]


class NodeQueues:
    """A queue for each node that somebody waits for."""

    def __init__(self, tasks: Tasks, lane: Lane) -> None:
        self._tasks = tasks
        self._lane = lane
        self._lock = threading.Lock()
        self._queues: dict[str, deque[_Queued]] = {}
        self._starting: set[str] = set()
        tasks.on_end(self._start_next)

    def enqueue(self, node: str, purpose: str, work: Work) -> Future[Any]:
        """Run *work* with a task on the node with this UUID, after all that was enqueued for it before.

        The future has what *work* returns or raises; cancelled before it began, it is left out.
        """
        future: Future[Any] = Future()
        with self._lock:
            self._queues.setdefault(node, deque()).append(_Queued(purpose, work, future))
        self._start_next(node)
        return future

    def waiting(self, node: str) -> int:
        """How much is enqueued for a node and has not begun."""
        with self._lock:
            return len(self._queues.get(node, ()))

    def _start_next(self, node: str) -> None:
        """Begin with the oldest work of a node, if there is any and the node can be had."""
        queued = self._claim(node)
        if queued is None:
            return
        try:
            task = self._tasks.acquire(node, purpose=queued.purpose)
        except NodeLocked:
            self._put_back(node, queued)
            self._retry_later(node)
        except BareMetalError as exc:
            self._unclaim(node)
            _settle(queued.future, exc)
            self._start_next(node)
        else:
            self._begin(node, task, queued)

    def _begin(self, node: str, task: NodeTask, queued: _Queued) -> None:
        self._unclaim(node)
        with task:
            try:
                task.hand_over(self._lane, lambda task: _run(task, queued))
            except Busy:
                with self._lock:
                    self._queues.setdefault(node, deque()).appendleft(queued)
                self._retry_later(node)

    def _claim(self, node: str) -> _Queued | None:
        """Take the oldest work out, so that nobody else starts it; what was cancelled is dropped."""
        with self._lock:
            queue = self._queues.get(node)
            if queue is None or node in self._starting:
                return None
            while queue and queue[0].future.cancelled():
                queue.popleft()
            if not queue:
                del self._queues[node]
                return None
            self._starting.add(node)
            return queue.popleft()

    def _unclaim(self, node: str) -> None:
        with self._lock:
            self._starting.discard(node)

    def _put_back(self, node: str, queued: _Queued) -> None:
        with self._lock:
            self._starting.discard(node)
            self._queues.setdefault(node, deque()).appendleft(queued)

    def _retry_later(self, node: str) -> None:
        """A task of ours that ends starts the next one by itself; for all else there is the timer."""
        self._lane.pool.timer.after(_ELSEWHERE, lambda: self._start_next(node))


def _run(task: NodeTask, queued: _Queued) -> None:
    if not queued.future.set_running_or_notify_cancel():
        return
    try:
        result = queued.work(task)
    except BaseException as exc:
        queued.future.set_exception(exc)
    else:
        queued.future.set_result(result)


def _settle(future: Future[Any], error: BaseException) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
