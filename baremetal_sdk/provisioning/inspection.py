"""Inspector of machines: turns the hardware that a driver or agent finds into a node's properties, ports and inventory."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_interfaces import DriverError, InspectedPort, Inspection, Kind, UnexpectedAnswer, Wait
from baremetal_interfaces.redaction import redact_text
from baremetal_interfaces.text import clean_text
from baremetal_sdk.errors import MACAlreadyExists
from baremetal_sdk.provisioning import bmc_addresses, steps, transitions
from baremetal_sdk.provisioning.hardware_facts import HardwareFacts
from baremetal_sdk.provisioning.inspection_limits import check_inspection
from baremetal_sdk.provisioning.inspection_rules import InspectionRules
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.tasks import agent_info
from baremetal_sdk.tasks.node_task import NodeTask


class Inspector:
    """Handler of the state ``inspecting``. It stores the results of inspections under the task's lease."""

    def __init__(self, store: Store, facts: HardwareFacts, rules: InspectionRules) -> None:
        self._store = store
        self._facts = facts
        self._rules = rules

    def inspect(self, task: NodeTask) -> None:
        """Start the inspection of the task's node with its driver.

        If the driver returns the results, store them and end the inspection. If it returns ``Wait``, enter the wait state:
        an agent on the machine then reports the results later.
        """
        task.write(inspection_started_at=task.clock.now(), inspection_finished_at=None)
        found = task.call(Kind.INSPECT, "inspect", timeout=steps.STEP_TIMEOUT_S)
        if isinstance(found, Wait):
            transitions.follow_event(task, "wait", last=True, driver_internal_info=_add_bmc_addresses(task))
            return
        if not isinstance(found, Inspection):
            shown = redact_text(repr(found), task.unsealed_secrets)
            raise UnexpectedAnswer(f"inspect returned {shown}; it has to return Inspection or Wait")
        self.finish(task, check_inspection(found))

    def finish(self, task: NodeTask, found: Inspection, plugin_data: dict[str, Any] | None = None) -> None:
        """Store the results *found* of an inspection, apply the inspection rules, and enter the state after the inspection.

        *plugin_data* are results of the agent that are not part of the inventory. The end releases the lease.
        """
        for port in found.ports:
            self._add_port(task, port)
        plugin_data = {} if plugin_data is None else plugin_data
        properties = {**task.record.properties, **found.properties}
        ruled = self._rules.apply(task, properties, found.inventory or {}, plugin_data)
        if found.inventory is not None:
            self._facts.store_inventory(task, found.inventory, plugin_data)
        changes = {**self._facts.read_all(task), **ruled}
        transitions.follow_event(task, "done", last=True, inspection_finished_at=task.clock.now(), **changes)

    def resume(self, task: NodeTask, found: Inspection, plugin_data: dict[str, Any], problem: str | None) -> None:
        """Continue an inspection that waited for its agent, with the results *found* and *plugin_data* of the agent.

        Raises ``DriverError`` if the agent reported a *problem*, which means that the inspection failed.
        """
        transitions.follow_event(task, "resume")
        if problem is not None:
            raise DriverError(f"the agent reported: {clean_text(problem)}")
        self.finish(task, found, plugin_data)

    def _add_port(self, task: NodeTask, found: InspectedPort) -> None:
        """Create a port for the node, unless it has a port with that address.

        An address that another node has is logged and left out, because some makes give one address to all their machines.
        """
        assert task.lease is not None
        pxe_enabled = True if found.pxe_enabled is None else found.pxe_enabled
        port = PortRecord(uuid=str(uuid.uuid4()), node_uuid=task.record.uuid, address=found.address, pxe_enabled=pxe_enabled)
        try:
            self._store.create_port(port, fence=task.lease.fence)
        except MACAlreadyExists:
            owner = self._store.port(found.address).node_uuid
            if owner != task.record.uuid:
                task.log.warning("the inspection omits port %s, which belongs to node %s", found.address, owner)


def _add_bmc_addresses(task: NodeTask) -> dict[str, Any]:
    """Return the ``driver_internal_info`` of a node that waits for its agent, which may know the node by its BMC only."""
    info = {name: value for name, value in task.record.driver_internal_info.items() if name != agent_info.BMC_ADDRESSES}
    addresses = bmc_addresses.find_configured(task)
    return {**info, agent_info.BMC_ADDRESSES: addresses} if addresses else info
