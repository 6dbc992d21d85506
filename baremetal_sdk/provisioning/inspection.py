"""Inspection: what a machine is made of becomes properties, ports and an inventory."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_interfaces import Conflict, DriverError, InspectedPort, Inspection, Kind, UnexpectedAnswer, Wait
from baremetal_sdk.errors import MACAlreadyExists
from baremetal_sdk.provisioning import steps, transitions
from baremetal_sdk.provisioning.hardware_facts import HardwareFacts
from baremetal_sdk.provisioning.inspection_rules import InspectionRules
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.tasks.node_task import NodeTask


class Inspector:
    """Inspects machines, and stores what is found."""

    def __init__(self, store: Store, findings: HardwareFacts, rules: InspectionRules) -> None:
        self._store = store
        self._findings = findings
        self._rules = rules

    def inspect(self, task: NodeTask) -> None:
        """Have the driver inspect the machine; it tells at once, or waits for somebody who reports it."""
        task.write(inspection_started_at=task.clock.now(), inspection_finished_at=None)
        found = task.call(Kind.INSPECT, "inspect", timeout=steps.STEP_TIMEOUT_S)
        if isinstance(found, Wait):
            transitions.follow_event(task, "wait", last=True)
            return
        if not isinstance(found, Inspection):
            raise UnexpectedAnswer(f"the inspection returned {found!r}; it has to return Inspection or Wait")
        self.finish(task, found)

    def finish(self, task: NodeTask, found: Inspection, plugin_data: dict[str, Any] | None = None) -> None:
        """Store what was found, and end the inspection; *plugin_data* is what was found beside the inventory."""
        for port in found.ports:
            self._add_port(task, port)
        plugin_data = {} if plugin_data is None else plugin_data
        properties = {**task.record.properties, **found.properties}
        ruled = self._rules.apply(task, properties, found.inventory or {}, plugin_data)
        if found.inventory is not None:
            self._findings.store_inventory(task, found.inventory, plugin_data)
        changes = {**self._findings.read_all(task), **ruled}
        transitions.follow_event(
            task,
            "done",
            last=True,
            inspection_finished_at=task.clock.now(),
            **changes,
        )

    def resume(self, task: NodeTask, found: Inspection, plugin_data: dict[str, Any], problem: str | None) -> None:
        """Go on with an inspection that waited: an agent has reported what it found, or a *problem*."""
        transitions.follow_event(task, "resume")
        if problem is not None:
            raise DriverError(f"the agent says: {problem}")
        self.finish(task, found, plugin_data)

    def _add_port(self, task: NodeTask, found: InspectedPort) -> None:
        assert task.lease is not None
        pxe_enabled = True if found.pxe_enabled is None else found.pxe_enabled
        port = PortRecord(uuid=str(uuid.uuid4()), node_uuid=task.record.uuid, address=found.address, pxe_enabled=pxe_enabled)
        try:
            self._store.create_port(port, fence=task.lease.fence)
        except MACAlreadyExists:
            if self._store.port(found.address).node_uuid != task.record.uuid:
                raise Conflict(f"the inspection found a port {found.address}, which another node has") from None
