"""Virtual network interfaces (VIFs) of tenants. The node's network interface attaches them to ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Kind
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.task_manager import TaskManager


class VIFs:
    """The VIFs of a conductor's nodes. Listing them needs no lease."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks

    @rpc_method("1.0")
    def vif_list(self, node: str) -> list[dict[str, Any]]:
        """Return the attached VIFs, each as ``{"id": ...}``."""
        task = self._tasks.read_only(node)
        task.validate(Kind.NETWORK)
        return [dict(vif) for vif in task.call(Kind.NETWORK, "vif_list")]

    @rpc_method("1.0")
    def vif_attach(self, node: str, vif: Mapping[str, Any]) -> None:
        """Attach a VIF to a free port."""
        with self._tasks.acquire(node, purpose="attaching a VIF") as task:
            task.validate(Kind.NETWORK)
            task.call(Kind.NETWORK, "vif_attach", vif)

    @rpc_method("1.0")
    def vif_detach(self, node: str, vif_id: str) -> None:
        """Detach a VIF."""
        with self._tasks.acquire(node, purpose="detaching a VIF") as task:
            task.validate(Kind.NETWORK)
            task.call(Kind.NETWORK, "vif_detach", vif_id)
