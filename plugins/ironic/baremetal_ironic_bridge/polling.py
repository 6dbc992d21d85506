"""Periodic task that polls steps in the background, for plugins with a ``poll`` method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ironic.conductor import periodics
from ironic.conf import CONF

from baremetal_interfaces import Step, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter


class PollingAdapter(Adapter):
    """Base class of adapters whose plugin polls its waiting steps. Ironic's conductor runs the periodic task."""

    @periodics.node_periodic(  # type: ignore[untyped-decorator]
        purpose="polling plugins for the result of steps in the background",
        spacing=lambda: CONF.contract.poll_interval,
        filters={"reserved": False, "maintenance": False, "provision_state_in": waiting.STATES},
        predicate_extra_fields=["driver_internal_info"],
        predicate=lambda node: waiting.is_due(node.driver_internal_info),
    )
    def poll_waiting_step(self, task: Any, manager: Any, context: Any) -> None:
        """Poll the node's waiting step if it is of this interface and due. The poll runs under the node's exclusive lock."""
        if not waiting.is_for_kind(task.node, self.bridged.kind):
            return
        task.upgrade_lock()
        if waiting.is_for_kind(task.node, self.bridged.kind) and waiting.is_due(task.node.driver_internal_info):
            waiting.poll_and_continue(task, self._call_poll, self.store_step_result)

    def _call_poll(self, task: Any, step: Step, state: Mapping[str, Any]) -> Wait | None:
        found: Wait | None = self.call(task, "poll", step, state, timeout=float(CONF.contract.step_timeout))
        return found
