"""The periodic work that asks after steps in the background, for interfaces of plugins that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ironic.conductor import periodics
from ironic.conf import CONF

from baremetal_interfaces import Step, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter


class Polling(Adapter):
    """Ironic's conductor collects it from each interface that has it."""

    @periodics.node_periodic(  # type: ignore[untyped-decorator]
        purpose="asking a plugin whether what it does in the background is over",
        spacing=lambda: CONF.contract.poll_interval,
        filters={"reserved": False, "maintenance": False, "provision_state_in": waiting.STATES},
        predicate_extra_fields=["driver_internal_info"],
        predicate=lambda node: waiting.is_due(node.driver_internal_info),
    )
    def look(self, task: Any, manager: Any, context: Any) -> None:
        """Ask about one node whose time has come, with its lock."""
        if not waiting.is_of(task.node, self.bridged.kind):
            return
        task.upgrade_lock()
        if waiting.is_of(task.node, self.bridged.kind) and waiting.is_due(task.node.driver_internal_info):
            waiting.go_on(task, self._poll, self.step_is_done)

    def _poll(self, task: Any, step: Step, state: Mapping[str, Any]) -> Wait | None:
        found: Wait | None = self.call(task, "poll", step, state, timeout=float(CONF.contract.step_timeout))
        return found
