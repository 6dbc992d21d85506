"""Resumes step runs that wait, by polling them when they asked for it."""

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


class StepResumer:
    """Goes on with runs that wait: polls them when they asked for it."""

    def __init__(
        self,
        tasks: TaskManager,
        lane: Lane,
        resume: Callable[[NodeTask], None],
        *,
        is_elsewhere: Callable[[NodeRecord], bool] = lambda record: False,
    ) -> None:
        self._tasks = tasks
        self._lane = lane
        self._resume = resume
        self._is_elsewhere = is_elsewhere
        self._lock = threading.Lock()
        self._scheduled: set[str] = set()

    def schedule(self, node: str, waiting: steps.WaitingRun) -> None:
        """Look at the node's run again after the time that it asked for, if it asked for one."""
        if waiting.poll_after is not None and not waiting.held:
            self._schedule(node, waiting, waiting.poll_after)

    def schedule_if_new(self, node: str, waiting: steps.WaitingRun) -> None:
        """Poll a run that nobody here polls yet: that of a conductor that is gone, or of before the last start."""
        with self._lock:
            known = node in self._scheduled
        if not known:
            self.schedule(node, waiting)

    def _schedule(self, node: str, waiting: steps.WaitingRun, seconds: float) -> None:
        with self._lock:
            self._scheduled.add(node)
        self._lane.after(seconds, lambda: self.poll(node, waiting))

    def resume_now(self, record: NodeRecord) -> None:
        """Go on with the node's run, whatever it waits for."""
        waiting = steps.current_wait(record)
        if waiting is None:
            return
        try:
            self._lane.submit(self.poll, record.uuid, waiting)
        except NoFreeWorker:
            # It was promised by now: it is tried again until there is room.
            self._schedule(record.uuid, waiting, 1.0)

    def poll(self, node: str, waiting: steps.WaitingRun) -> None:
        """Poll the run, unless it has gone on or ended without us, or is by now for another conductor to poll."""
        with self._lock:
            self._scheduled.discard(node)
        try:
            task = self._tasks.acquire(node, purpose="polling a step")
        except NodeLocked:
            self._schedule(node, waiting, 1.0)
            return
        with task:
            if steps.is_current(task.record, waiting) and not self._is_elsewhere(task.record):
                self._resume(task)
