"""What a conductor knows of a node beside what is stored: the last calls of its driver, and how its BMCs behave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, DriverInfo
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.task_manager import TaskManager


class Explanations:
    """Answers why a node is as it is. It asks no BMC and takes no lease."""

    def __init__(
        self, tasks: TaskManager, calls: Callable[[str], list[dict[str, Any]]], breaker: Callable[[DriverInfo], dict[str, Any]]
    ) -> None:
        self._tasks = tasks
        self._calls = calls
        self._breaker = breaker

    @rpc_method("1.0")
    def explain_node(self, node: str) -> dict[str, Any]:
        """The last calls of its driver, the newest first, and the breaker of each of its BMCs."""
        return {"calls": self._calls(node), "breakers": self._breakers(node)}

    def _breakers(self, node: str) -> list[dict[str, Any]]:
        task = self._tasks.read_only(node)
        found: dict[str, dict[str, Any]] = {}
        try:
            interfaces = list(task.driver)
        except BareMetalError:
            return []
        for kind, interface in interfaces:
            if interface.connector is None or interface.info_type is None:
                continue
            try:
                info = task.info(kind)
                endpoint = str(info.endpoint())
            except BareMetalError:
                continue  # what is wrong with driver_info is told by validation
            found[endpoint] = {"bmc": endpoint, **self._breaker(info)}
        return list(found.values())
