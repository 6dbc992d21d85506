"""Task table of a simulated Redfish BMC: work that continues after the answer to the request that started it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MAX_TASKS = 100
"""Maximum number of tasks that a BMC remembers. Beyond it, each new task removes the oldest one."""


class RunningTask(NamedTuple):
    """A Redfish task with its identifier, its name, and the clock time in seconds at which it ends."""

    identifier: str
    name: str
    ends_at: float


class TaskTable:
    """The Redfish tasks of one simulated BMC, running or ended.

    Not thread-safe: only the event loop of its service uses the table.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_number = 0
        self._tasks: dict[str, RunningTask] = {}

    def add(self, name: str, ends_at: float) -> RunningTask:
        """Add a task that ends at the clock time *ends_at* (seconds), and return it. A full table drops its oldest task."""
        self._last_number += 1
        task = RunningTask(str(self._last_number), name, ends_at)
        self._tasks[task.identifier] = task
        if len(self._tasks) > MAX_TASKS:
            del self._tasks[next(iter(self._tasks))]
        return task

    def identifiers(self) -> list[str]:
        """Return the identifiers of all remembered tasks, the oldest first."""
        return list(self._tasks)

    def find(self, identifier: str) -> RunningTask | None:
        """Return the task with *identifier*, or None if the table does not hold it."""
        return self._tasks.get(identifier)

    def is_over(self, task: RunningTask) -> bool:
        """Return whether the end time of *task* has passed."""
        return self._clock() >= task.ends_at
