"""Manager of a conductor's tasks: creates them with or without a lease, renews their leases, and lists the live ones."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from baremetal_interfaces import Deadline, InvalidInput
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.node_task import NodeTask


class TaskManager:
    """Creator of tasks and registry of the live ones. A task with the node's lease may change it. Thread-safe."""

    def __init__(self, dependencies: TaskDependencies) -> None:
        self._dependencies = dependencies
        self._lock = threading.Lock()
        self._none_left = threading.Condition(self._lock)
        self._live: dict[NodeTask, str] = {}
        self._end_listeners: list[Callable[[str], None]] = []

    def acquire(self, node: str, *, purpose: str, deadline: Deadline | None = None) -> NodeTask:
        """Acquire the lease of the node with UUID *node*, and return a task that holds it.

        Raises ``NodeLocked`` at once if another task holds the node; never waits. *purpose* is shown to others in that error.
        Use the task in a ``with`` block. The end of the block releases the lease, unless the task continues in the background.
        No driver call lasts longer than until *deadline*.
        """
        lease, record = self._dependencies.leases.acquire(node, purpose)
        task = NodeTask(self._dependencies, record, lease, on_end=self._end, deadline=deadline)
        with self._lock:
            self._live[task] = node
        return task

    @property
    def grace(self) -> float:
        """Seconds that must pass after the expiry of another holder's lease before it can be acquired."""
        return self._dependencies.leases.grace()

    def read_only(self, node: str) -> NodeTask:
        """Return a task on the node with UUID *node* that only reads. It holds no lease, and its writes raise ``LeaseLost``."""
        return NodeTask(self._dependencies, self._dependencies.store.node(node), None)

    def reset_auth_breaker(self, node: str) -> None:
        """Reset the auth breakers of the node's BMCs, so that logins are allowed again after refused ones.

        For calls after a client has changed the node's credentials.
        """
        task = self.read_only(node)
        for kind, interface in task.driver:
            if interface.connector is not None and interface.info_type is not None:
                with contextlib.suppress(InvalidInput):
                    self._dependencies.bmc.reset_auth_breaker(task.info(kind).endpoint())

    def renew(self) -> None:
        """Renew the leases of live tasks that are due, and cancel the tasks whose lease the store no longer has."""
        lost = {lease.fence for lease in self._dependencies.leases.renew_all()}
        if not lost:
            return
        for task in self.live():
            if task.lease is not None and task.lease.fence in lost:
                task.cancel()

    def live(self) -> list[NodeTask]:
        """Return the tasks with a lease that have not ended."""
        with self._lock:
            return list(self._live)

    def holds(self, node: str) -> bool:
        """Return whether a live task of this conductor has the lease of the node with UUID *node*."""
        with self._lock:
            return node in self._live.values()

    def drain(self, timeout: float) -> bool:
        """Wait until all tasks with a lease have ended, but not longer than *timeout* seconds. Return whether all have ended."""
        with self._none_left:
            return self._none_left.wait_for(lambda: not self._live, timeout)

    def on_end(self, callback: Callable[[str], None]) -> None:
        """Register *callback*, to be called with the node's UUID each time a task has ended and released its lease."""
        self._end_listeners.append(callback)

    def _end(self, task: NodeTask) -> None:
        with self._none_left:
            self._live.pop(task, None)
            if not self._live:
                self._none_left.notify_all()
        # Without the lock: a listener may acquire the node for the next task at once.
        for callback in self._end_listeners:
            callback(task.record.uuid)
