"""Resumer for waiting runs of steps: polls a run after the time that its step asked for, or resumes it at an event."""

from __future__ import annotations

import threading
from collections.abc import Callable

from baremetal_interfaces import NodeLocked
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.provisioning import steps
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

_RETRY_INTERVAL_S = 1.0
"""Seconds between attempts to resume a run while the node is locked or the lane is full."""


class StepResumer:
    """Scheduler that resumes waiting runs on workers of *lane*. Thread-safe.

    *resume* is called with a task on the node and continues its run. *belongs_to_peer* returns whether another conductor is
    now responsible for a node; its run is then not resumed here.
    """

    def __init__(
        self,
        tasks: TaskManager,
        lane: Lane,
        resume: Callable[[NodeTask], None],
        *,
        belongs_to_peer: Callable[[NodeRecord], bool] = lambda record: False,
    ) -> None:
        self._tasks = tasks
        self._lane = lane
        self._resume = resume
        self._belongs_to_peer = belongs_to_peer
        self._lock = threading.Lock()
        self._scheduled: set[str] = set()

    def schedule(self, node: str, waiting: steps.WaitingRun) -> None:
        """Set a timer that polls the node's run after the time that its step asked for.

        *waiting* is the position at which the run waits. Do nothing if the run waits for an event or a client.
        """
        if waiting.poll_after is not None and not waiting.held:
            self._poll_after(waiting.poll_after, node, waiting)

    def schedule_if_new(self, node: str, waiting: steps.WaitingRun) -> None:
        """Schedule the polling of a run unless this object has already scheduled it.

        For runs whose conductor died, and for runs that waited when this conductor started.
        """
        with self._lock:
            is_scheduled = node in self._scheduled
        # Two threads may both schedule the run. That is harmless: each poll checks under the lease where the run is.
        if not is_scheduled:
            self.schedule(node, waiting)

    def resume_now(self, record: NodeRecord) -> None:
        """Resume the node's run on a worker without delay, even if the run waits for another event. Retry if the lane is full."""
        waiting = steps.current_wait(record)
        if waiting is None:
            return
        try:
            self._lane.submit(self.poll, record.uuid, waiting)
        except NoFreeWorker:
            # The client already has its 202, so the resume must not get lost: retry until the lane has room.
            self._poll_after(_RETRY_INTERVAL_S, record.uuid, waiting)

    def poll(self, node: str, waiting: steps.WaitingRun) -> None:
        """Resume the node's run in this thread, under the node's lease. Retry later if the node is locked.

        Do nothing if the run is no longer at position *waiting*, or if another conductor is responsible for the node.
        """
        with self._lock:
            self._scheduled.discard(node)
        try:
            task = self._tasks.acquire(node, purpose="polling a step")
        except NodeLocked:
            self._poll_after(_RETRY_INTERVAL_S, node, waiting)
            return
        with task:
            # Both are checked under the lease. Before, the run could still change between the check and the resume.
            if steps.is_current(task.record, waiting) and not self._belongs_to_peer(task.record):
                self._resume(task)

    def _poll_after(self, seconds: float, node: str, waiting: steps.WaitingRun) -> None:
        with self._lock:
            self._scheduled.add(node)
        self._lane.after(seconds, lambda: self.poll(node, waiting))
