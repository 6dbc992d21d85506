"""Work that waits for its node: first in, first out, and no thread waits with it."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from baremetal_interfaces import Busy, Deadline, NodeLocked
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)
_ELSEWHERE = 1.0
"""Seconds until a node that another conductor holds, or a full lane, is tried again."""

Work = Callable[[NodeTask], Any]


class _Queued(NamedTuple):
    purpose: str
    work: Work
    deadline: Deadline | None
    future: Future[Any]
    context: contextvars.Context
    """Of whoever enqueued it: it runs on that one's behalf, and not on that of the task before it."""


class NodeQueues:
    """A queue for each node that somebody waits for. Work runs on *lane*; another one, *retries*, looks whether it can by now."""

    def __init__(self, tasks: TaskManager, lane: Lane, retries: Lane) -> None:
        self._tasks = tasks
        self._lane = lane
        self._retries = retries
        self._lock = threading.Lock()
        self._queues: dict[str, deque[_Queued]] = {}
        self._starting: set[str] = set()
        self._retrying: set[str] = set()
        self._closed = False
        tasks.on_end(self._start_next)

    def enqueue(self, node: str, purpose: str, work: Work, deadline: Deadline | None = None) -> Future[Any]:
        """Run *work* with a task on the node with this UUID, after all that was enqueued for it before.

        The future has what *work* returns or raises; cancelled before it began, it is left out. No call of a driver goes on
        after *deadline*.
        """
        queued = _Queued(purpose, work, deadline, Future(), contextvars.copy_context())
        with self._lock:
            if self._closed:
                raise NoFreeWorker(f"'{purpose}' cannot be enqueued: the conductor stops", retry_after=1.0)
            self._queues.setdefault(node, deque()).append(queued)
        self._start_next(node)
        return queued.future

    def queue_length(self, node: str) -> int:
        """How much is enqueued for a node and has not begun."""
        with self._lock:
            return len(self._queues.get(node, ()))

    def close(self) -> None:
        """Take nothing more, and cancel what has not begun: nobody waits for ever for a conductor that stops."""
        with self._lock:
            self._closed = True
            left = [queued for queue in self._queues.values() for queued in queue]
            self._queues.clear()
        for queued in left:
            queued.future.cancel()
            queued.future.set_running_or_notify_cancel()

    def _start_next(self, node: str) -> None:
        """Begin with the oldest work of a node, if there is any and the node can be had."""
        while (queued := self._claim(node)) is not None:
            try:
                queued.context.run(self._begin, node, queued)
                return
            except (NodeLocked, Busy):
                self._put_back(node, queued)
                self._retry_later(node)
                return
            except Exception as exc:
                # The next one may fare better: its node may be another by now, and the store may be back.
                _settle(queued.future, exc)
                self._unclaim(node)

    def _begin(self, node: str, queued: _Queued) -> None:
        """Hand the work over with a task. Raises ``NodeLocked`` and ``NoFreeWorker``; the node is still claimed then."""
        with self._tasks.acquire(node, purpose=queued.purpose, deadline=queued.deadline) as task:
            # From here on it is the task that keeps others away: it may end, and have the next one begun, before this returns.
            self._unclaim(node)
            try:
                task.run_in_background(self._lane, lambda task: _run(task, queued))
            except Busy:
                with self._lock:
                    self._starting.add(node)
                raise

    def _claim(self, node: str) -> _Queued | None:
        """Take the oldest work out, so that nobody else starts it; what was cancelled is dropped."""
        with self._lock:
            queue = self._queues.get(node)
            # While a task of ours holds the node there is nothing to try: its end starts the next one.
            if queue is None or node in self._starting or self._tasks.holds(node):
                return None
            while queue and queue[0].future.cancelled():
                queue.popleft().future.set_running_or_notify_cancel()
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
            if not self._closed:
                self._queues.setdefault(node, deque()).appendleft(queued)
                return
        queued.future.cancel()
        queued.future.set_running_or_notify_cancel()

    def _retry_later(self, node: str) -> None:
        """Try again in a moment: one timer for each node, however much waits for it."""
        with self._lock:
            if self._closed or node in self._retrying:
                return
            self._retrying.add(node)
        self._lane.pool.timer.after(_ELSEWHERE, lambda: self._retry(node))

    def _retry(self, node: str) -> None:
        with self._lock:
            self._retrying.discard(node)
        # Neither here, as the timer is everybody's and the store may take its time, nor on the lane that had no room.
        try:
            self._retries.submit(self._start_next, node)
        except NoFreeWorker as exc:
            LOG.debug("work that waits for node %s waits on: %s", node, exc)
            self._retry_later(node)


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
