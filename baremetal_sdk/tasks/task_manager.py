"""The tasks of a conductor: made with the lease of a node or without, renewed, and known while they live."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from baremetal_interfaces import Deadline, InvalidInput
from baremetal_sdk.tasks.dependencies import TaskDependencies
from baremetal_sdk.tasks.node_task import NodeTask


class TaskManager:
    """Makes tasks: with the lease of a node, to change it, or without, to look at it."""

    def __init__(self, services: TaskDependencies) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._none_left = threading.Condition(self._lock)
        self._live: dict[NodeTask, str] = {}
        self._on_end: list[Callable[[str], None]] = []

    def acquire(self, node: str, *, purpose: str, deadline: Deadline | None = None) -> NodeTask:
        """Take the lease of the node with this UUID; raise ``NodeLocked`` when somebody holds it. It never waits.

        Use the task in a ``with`` block: at its end the lease is given back, unless the task was handed over. No call of
        a driver goes on after *deadline*.
        """
        lease, record = self._services.leases.acquire(node, purpose)
        task = NodeTask(self._services, record, lease, on_end=self._ended, deadline=deadline)
        with self._lock:
            self._live[task] = node
        return task

    @property
    def grace(self) -> float:
        """Seconds after its expiry until a lease of somebody else can be taken."""
        return self._services.leases.grace()

    def read_only(self, node: str) -> NodeTask:
        """A task for reading only: it needs no lease and can write nothing."""
        return NodeTask(self._services, self._services.store.node(node), None)

    def reset_auth_breaker(self, node: str) -> None:
        """Allow logins at the node's BMC again: somebody has given its credentials anew."""
        task = self.read_only(node)
        for kind, interface in task.driver:
            if interface.connector is not None and interface.info_type is not None:
                with contextlib.suppress(InvalidInput):
                    self._services.bmc.reset_auth_breaker(task.info(kind).endpoint())

    def renew(self) -> None:
        """Renew the leases of all tasks; a task whose lease was lost is told to stop."""
        lost = {lease.fence for lease in self._services.leases.renew_all()}
        for task in self.live() if lost else ():
            if task.lease is not None and task.lease.fence in lost:
                task.cancel()

    def live(self) -> list[NodeTask]:
        """The tasks that hold a lease now."""
        with self._lock:
            return list(self._live)

    def holds(self, node: str) -> bool:
        """Whether one of the tasks that live has the lease of this node."""
        with self._lock:
            return node in self._live.values()

    def drain(self, timeout: float) -> bool:
        """Wait, at most *timeout* seconds, until no task holds a lease; whether that was reached."""
        with self._none_left:
            return self._none_left.wait_for(lambda: not self._live, timeout)

    def on_end(self, callback: Callable[[str], None]) -> None:
        """Call *callback* with the node's UUID whenever a task has ended and given its lease back."""
        self._on_end.append(callback)

    def _ended(self, task: NodeTask) -> None:
        with self._none_left:
            self._live.pop(task, None)
            if not self._live:
                self._none_left.notify_all()
        for callback in self._on_end:
            callback(task.record.uuid)
