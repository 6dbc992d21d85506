"""RPC methods for the serial consoles of nodes: start, stop and access."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import ConsoleAccess, Kind
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.in_background import start_background_action
from baremetal_sdk.tasks.task_manager import TaskManager


class Consoles:
    """RPC service for the consoles of a conductor's nodes. Reads need no lease."""

    def __init__(self, tasks: TaskManager, lane: Executor) -> None:
        self._tasks = tasks
        self._lane = lane

    @rpc_method("1.0")
    def get_console(self, node: str) -> dict[str, Any]:
        """Return ``console_enabled`` and ``console_info``, which has type and URL of a started console and else is None.

        Raises ``NotSupported`` if the node has no console interface.
        """
        task = self._tasks.read_only(node)
        task.validate(Kind.CONSOLE)
        if not task.record.console_enabled:
            return {"console_enabled": False, "console_info": None}
        access: ConsoleAccess = task.call(Kind.CONSOLE, "get_console")
        return {"console_enabled": True, "console_info": {"type": access.type, "url": access.url}}

    @rpc_method("1.0")
    def set_console(self, node: str, enabled: bool) -> None:
        """Start or stop the console in the background. Do nothing if it is already in that state."""
        action = "starting the console" if enabled else "stopping the console"
        with self._tasks.acquire(node, purpose=action) as task:
            task.validate(Kind.CONSOLE)
            if task.record.console_enabled == enabled:
                return
            method = "start_console" if enabled else "stop_console"
            start_background_action(
                task, self._lane, action, lambda task: task.call(Kind.CONSOLE, method), console_enabled=enabled
            )
