"""RPC methods for virtual network interfaces (VIFs) of tenants, which the node's network interface attaches to ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Kind
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.short_work import VIF_ATTACHMENT, VIF_DETACHMENT, acquire_after_short_work
from baremetal_sdk.tasks.task_manager import TaskManager


class VIFs:
    """RPC service for the VIFs of a conductor's nodes. Reads need no lease."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks

    @rpc_method("1.0")
    def vif_list(self, node: str) -> list[dict[str, Any]]:
        """Return the VIFs that are attached to ports of the node, each as ``{"id": ...}``."""
        task = self._tasks.read_only(node)
        task.validate(Kind.NETWORK)
        return [dict(vif) for vif in task.call(Kind.NETWORK, "vif_list")]

    @rpc_method("1.0")
    def vif_attach(self, node: str, vif: Mapping[str, Any]) -> None:
        """Attach *vif*, an object with the VIF's ``id``, to a port of the node. The network interface chooses the port."""
        with acquire_after_short_work(self._tasks, node, VIF_ATTACHMENT) as task:
            task.validate(Kind.NETWORK)
            task.call(Kind.NETWORK, "vif_attach", vif)

    @rpc_method("1.0")
    def vif_detach(self, node: str, vif_id: str) -> None:
        """Detach the VIF with this id from its port of the node."""
        with acquire_after_short_work(self._tasks, node, VIF_DETACHMENT) as task:
            task.validate(Kind.NETWORK)
            task.call(Kind.NETWORK, "vif_detach", vif_id)
