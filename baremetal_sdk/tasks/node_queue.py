"""Queues of functions that wait for the lease of a node. Those of one node run in order; waiting occupies no thread."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from baremetal_interfaces import Busy, Deadline, NodeLocked
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.logs import get_logger
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = get_logger(__name__)
_RETRY_INTERVAL_S = 1.0
"""Seconds between attempts to start work while another conductor holds its node or the lane is full."""

QueuedFunction = Callable[[NodeTask], Any]


class _QueuedWork(NamedTuple):
    purpose: str
    work: QueuedFunction
    deadline: Deadline | None
    future: Future[Any]
    context: contextvars.Context
    """The context variables of the caller of ``enqueue``. Without them, the work would run in the context of the task whose
    end starts it, and so on behalf of another request."""


class NodeQueues:
    """First-in-first-out queues of work, one for each node with waiting work. Thread-safe.

    Work runs on workers of *lane*. Later attempts to start work run on *retries*, because *lane* may be full.

    Three events start the next work of a node: an enqueue, the end of a task of this conductor, and a retry timer. They may
    happen at the same time in different threads. So a thread first *claims* the node, and only the claimant starts its work.
    """

    def __init__(self, tasks: TaskManager, lane: Lane, retries: Lane) -> None:
        self._tasks = tasks
        self._lane = lane
        self._retries = retries
        self._lock = threading.Lock()
        self._queues: dict[str, deque[_QueuedWork]] = {}
        self._claimed: set[str] = set()
        """UUIDs of the nodes whose next work a thread is just starting."""
        self._retrying: set[str] = set()
        """UUIDs of the nodes with a running retry timer."""
        self._is_closed = False
        tasks.on_end(self._start_next)

    def enqueue(self, node: str, purpose: str, work: QueuedFunction, deadline: Deadline | None = None) -> Future[Any]:
        """Run *work* with a task on the node with this UUID, after all work that was enqueued for the node before.

        The future gets the result or the exception of *work*. Work whose future is cancelled before it starts is skipped. No
        driver call lasts longer than until *deadline*. Raises ``NoFreeWorker`` after :meth:`close`.
        """
        queued = _QueuedWork(purpose, work, deadline, Future(), contextvars.copy_context())
        with self._lock:
            if self._is_closed:
                raise NoFreeWorker(f"'{purpose}' cannot be enqueued: the conductor is stopping", retry_after=1.0)
            self._queues.setdefault(node, deque()).append(queued)
        self._start_next(node)
        return queued.future

    def queue_length(self, node: str) -> int:
        """Return the number of enqueued functions of a node that have not started."""
        with self._lock:
            return len(self._queues.get(node, ()))

    def close(self) -> None:
        """Reject new work, and cancel the futures of all work that has not started. Running work continues."""
        with self._lock:
            self._is_closed = True
            remaining = [queued for queue in self._queues.values() for queued in queue]
            self._queues.clear()
        for queued in remaining:
            _cancel(queued.future)

    def _start_next(self, node: str) -> None:
        """Start the oldest work of a node, unless its queue is empty or another thread is starting it.

        If the node is locked or the lane is full, the work returns to the queue and a timer retries. Another error goes to
        the future of the work.
        """
        while (queued := self._claim(node)) is not None:
            try:
                queued.context.run(self._start, node, queued)
                return
            except (NodeLocked, Busy):
                self._put_back(node, queued)
                self._retry_later(node)
                return
            except Exception as exc:
                # The error concerns this work only. Later work may succeed: the store may be available again.
                if queued.future.set_running_or_notify_cancel():
                    queued.future.set_exception(exc)
                self._unclaim(node)

    def _start(self, node: str, queued: _QueuedWork) -> None:
        """Acquire the lease of the node and submit the work to a worker of the lane.

        Raises ``NodeLocked`` if another conductor holds the node, and ``NoFreeWorker`` if the lane is full. After an error
        the node is still claimed.
        """
        with self._tasks.acquire(node, purpose=queued.purpose, deadline=queued.deadline) as task:
            # From here on the lease protects the node. The claim must end before the work starts: the work may finish, and
            # call _start_next for the work behind it, before run_in_background returns.
            self._unclaim(node)
            try:
                task.run_in_background(self._lane, lambda task: _run(task, queued))
            except Busy:
                # Claim the node again before the end of this block releases the lease. The end of the task calls
                # _start_next, which would otherwise start the second work before the first is back in the queue.
                with self._lock:
                    self._claimed.add(node)
                raise

    def _claim(self, node: str) -> _QueuedWork | None:
        """Remove the oldest work from the node's queue and claim the node. Return None if there is nothing to start."""
        with self._lock:
            queue = self._queues.get(node)
            # While a task of this conductor holds the node, an attempt would fail. The end of that task starts the work.
            if queue is None or node in self._claimed or self._tasks.holds(node):
                return None
            while queue and queue[0].future.cancelled():
                queue.popleft().future.set_running_or_notify_cancel()
            if not queue:
                del self._queues[node]
                return None
            self._claimed.add(node)
            return queue.popleft()

    def _unclaim(self, node: str) -> None:
        with self._lock:
            self._claimed.discard(node)

    def _put_back(self, node: str, queued: _QueuedWork) -> None:
        """Unclaim the node and put its work back in front, in one step, so that no later work overtakes it."""
        with self._lock:
            self._claimed.discard(node)
            if not self._is_closed:
                self._queues.setdefault(node, deque()).appendleft(queued)
                return
        _cancel(queued.future)

    def _retry_later(self, node: str) -> None:
        """Set a timer that tries to start the node's oldest work again. Do nothing if the node has a timer."""
        with self._lock:
            if self._is_closed or node in self._retrying:
                return
            self._retrying.add(node)
        self._lane.pool.timer.after(_RETRY_INTERVAL_S, lambda: self._retry(node))

    def _retry(self, node: str) -> None:
        with self._lock:
            self._retrying.discard(node)
        # Not in this thread, which is that of the timer: an access to the store would delay all other timers. And not on
        # the lane of the work, which may be full.
        try:
            self._retries.submit(self._start_next, node)
        except NoFreeWorker as exc:
            LOG.debug("node %s: queued work could not be retried, trying again later: %s", node, exc)
            self._retry_later(node)


def _run(task: NodeTask, queued: _QueuedWork) -> None:
    """Run the work, unless its future is cancelled, and set the result or exception of the future."""
    if not queued.future.set_running_or_notify_cancel():
        return
    try:
        result = queued.work(task)
    except BaseException as exc:
        queued.future.set_exception(exc)
    else:
        queued.future.set_result(result)


def _cancel(future: Future[Any]) -> None:
    future.cancel()
    # Without this call, concurrent.futures.wait() does not notice the cancellation.
    future.set_running_or_notify_cancel()
