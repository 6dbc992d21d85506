"""Inspection, BIOS settings and firmware of the contract as Ironic's: stored where its API reads them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from ironic import objects
from ironic.common import exception, states
from ironic.conf import CONF
from ironic.drivers import base
from ironic.drivers.modules import inspect_utils

from baremetal_interfaces import BIOSSetting, FirmwareComponent, InspectedPort, Inspection, Step
from baremetal_ironic_bridge.adapter import Adapter

LOG = logging.getLogger(__name__)


class InspectAdapter(Adapter, base.InspectInterface):
    """Properties, ports and inventory are stored at once."""

    def inspect_hardware(self, task: Any) -> str:
        """Inspect the machine."""
        found = self.call(task, "inspect", timeout=float(CONF.contract.step_timeout))
        if not isinstance(found, Inspection):
            raise exception.HardwareInspectionFailure(
                error=f"{self.bridged.__name__} waits for a report, which only Ironic's own inspect interfaces hear"
            )
        for port in found.ports:
            _create_port(task, port)
        task.node.properties = {**task.node.properties, **found.properties}
        task.node.save()
        if found.inventory is not None:
            inspect_utils.store_inspection_data(task.node, found.inventory, {}, task.context)
        return str(states.MANAGEABLE)


class BIOSAdapter(Adapter, base.BIOSInterface):
    """The settings are read again after each step that changes them."""

    def apply_configuration(self, task: Any, settings: Any) -> Any:
        """Change settings: the step of that name."""
        return self.call(task, "apply_configuration", settings)

    def factory_reset(self, task: Any) -> Any:
        """Put settings back: the step of that name."""
        return self.call(task, "factory_reset")

    def cache_bios_settings(self, task: Any) -> None:
        """Store the settings as they are."""
        settings = [_setting(one) for one in self.call(task, "get_settings")]
        table, node = objects.BIOSSettingList, task.node.id
        create, update, delete, _ = table.sync_node_setting(task.context, node, settings)
        if create:
            table.create(task.context, node, create)
        if update:
            table.save(task.context, node, update)
        if delete:
            table.delete(task.context, node, [one["name"] for one in delete])

    def step_is_done(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Read the settings anew."""
        self.cache_bios_settings(task)


class FirmwareAdapter(Adapter, base.FirmwareInterface):
    """The versions are read again after each step that changes them."""

    def update(self, task: Any, settings: Any) -> Any:
        """Update firmware: the step of that name."""
        return self.call(task, "update", settings)

    def cache_firmware_components(self, task: Any) -> None:
        """Store the components and their versions as they are."""
        found = {one.component: one for one in self.call(task, "get_components")}
        told = [{"component": name, "current_version": one.current_version} for name, one in found.items()]
        create, update, _ = objects.FirmwareComponentList.sync_firmware_components(task.context, task.node.id, told)
        for entry in create:
            _new_component(task, found[entry["component"]]).create()
        for entry in update:
            known = objects.FirmwareComponent.get(task.context, node_id=task.node.id, name=entry["component"])
            if known.current_version != entry["current_version"]:
                known.last_version_flashed = known.current_version = entry["current_version"]
                known.save()

    def step_is_done(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Read the versions anew."""
        self.cache_firmware_components(task)


def _create_port(task: Any, found: InspectedPort) -> None:
    pxe_enabled = True if found.pxe_enabled is None else found.pxe_enabled
    port = objects.Port(task.context, address=found.address, node_id=task.node.id, pxe_enabled=pxe_enabled)
    try:
        port.create()
    except exception.MACAlreadyExists:
        LOG.info("Node %s: there is a port %s already", task.node.uuid, found.address)


def _setting(one: BIOSSetting) -> dict[str, Any]:
    told = {name: value for name, value in dataclasses.asdict(one).items() if name not in ("value", "allowable_values")}
    return {**told, "value": one.value, "allowable_values": list(one.allowable_values) or None}


def _new_component(task: Any, one: FirmwareComponent) -> Any:
    initial = one.initial_version or one.current_version or "unknown"
    return objects.FirmwareComponent(
        task.context,
        node_id=task.node.id,
        component=one.component,
        initial_version=initial,
        current_version=one.current_version,
        last_version_flashed=one.last_version_flashed,
    )
