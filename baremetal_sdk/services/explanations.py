"""RPC method for diagnosis of a node: its last driver calls and the breakers of its BMCs, which only the conductor knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, Connector, DriverInfo
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.task_manager import TaskManager


class Explanations:
    """RPC service with data for the diagnosis of a node. It sends nothing to a BMC and needs no lease.

    *calls* returns the last driver calls of a node. *breaker* returns the state of the breakers of the BMC in a
    ``driver_info``, for sessions of a connector.
    """

    def __init__(
        self,
        tasks: TaskManager,
        calls: Callable[[str], list[dict[str, Any]]],
        breaker: Callable[[DriverInfo, type[Connector[Any]]], dict[str, Any]],
    ) -> None:
        self._tasks = tasks
        self._calls = calls
        self._breaker = breaker

    @rpc_method("1.0")
    def explain_node(self, node: str) -> dict[str, Any]:
        """Return the last calls of the node's driver, newest first, and the breaker of each of its BMCs."""
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
                continue  # validate_node reports what is wrong with driver_info
            found[endpoint] = {"bmc": endpoint, **self._breaker(info, interface.connector)}
        return list(found.values())
