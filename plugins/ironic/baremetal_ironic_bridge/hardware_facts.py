"""Adapters for the inspect, BIOS and firmware interfaces. Their results are stored where Ironic's API reads them."""

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
    """Offers a plugin's inspect interface to Ironic. Inspections that return a Wait are not supported."""

    def inspect_hardware(self, task: Any) -> str:
        """Inspect the machine and store properties, ports and inventory. Return the state ``manageable``, as Ironic expects."""
        found = self.call(task, "inspect", timeout=float(CONF.contract.step_timeout))
        if not isinstance(found, Inspection):
            raise exception.HardwareInspectionFailure(
                error=f"{self.bridged.__name__} waits for a report, which only Ironic's own inspect interfaces receive"
            )
        for port in found.ports:
            _create_port(task, port)
        task.node.properties = {**task.node.properties, **found.properties}
        task.node.save()
        if found.inventory is not None:
            inspect_utils.store_inspection_data(task.node, found.inventory, {}, task.context)
        return str(states.MANAGEABLE)


class BIOSAdapter(Adapter, base.BIOSInterface):
    """Offers a plugin's BIOS interface to Ironic. Settings are read again after each step."""

    def apply_configuration(self, task: Any, settings: Any) -> Any:
        """Call the plugin's step ``apply_configuration``, which changes *settings*, and return its result."""
        return self.call(task, "apply_configuration", settings)

    def factory_reset(self, task: Any) -> Any:
        """Call the plugin's step ``factory_reset``, which resets all settings, and return its result."""
        return self.call(task, "factory_reset")

    def cache_bios_settings(self, task: Any) -> None:
        """Read all BIOS settings through the plugin, and make the node's settings in Ironic's database equal to them."""
        settings = [_build_setting(setting) for setting in self.call(task, "get_settings")]
        table, node = objects.BIOSSettingList, task.node.id
        create, update, delete, _ = table.sync_node_setting(task.context, node, settings)
        if create:
            table.create(task.context, node, create)
        if update:
            table.save(task.context, node, update)
        if delete:
            table.delete(task.context, node, [setting["name"] for setting in delete])

    def store_step_result(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Read the settings again and store them, because the step may have changed them."""
        self.cache_bios_settings(task)


class FirmwareAdapter(Adapter, base.FirmwareInterface):
    """Offers a plugin's firmware interface to Ironic. Versions are read again after each step."""

    def update(self, task: Any, settings: Any) -> Any:
        """Call the plugin's step ``update``, which updates firmware, and return its result."""
        return self.call(task, "update", settings)

    def cache_firmware_components(self, task: Any) -> None:
        """Read all firmware components through the plugin, and store new components and changed versions in Ironic's database."""
        found = {component.component: component for component in self.call(task, "get_components")}
        current = [{"component": name, "current_version": component.current_version} for name, component in found.items()]
        create, update, _ = objects.FirmwareComponentList.sync_firmware_components(task.context, task.node.id, current)
        for entry in create:
            _build_component(task, found[entry["component"]]).create()
        for entry in update:
            stored = objects.FirmwareComponent.get(task.context, node_id=task.node.id, name=entry["component"])
            if stored.current_version != entry["current_version"]:
                stored.last_version_flashed = stored.current_version = entry["current_version"]
                stored.save()

    def store_step_result(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Read the versions again and store them, because the step may have changed them."""
        self.cache_firmware_components(task)


def _create_port(task: Any, found: InspectedPort) -> None:
    pxe_enabled = True if found.pxe_enabled is None else found.pxe_enabled
    port = objects.Port(task.context, address=found.address, node_id=task.node.id, pxe_enabled=pxe_enabled)
    try:
        port.create()
    except exception.MACAlreadyExists:
        LOG.info("Node %s already has port %s", task.node.uuid, found.address)


def _build_setting(setting: BIOSSetting) -> dict[str, Any]:
    fields = {name: value for name, value in dataclasses.asdict(setting).items() if name not in ("value", "allowable_values")}
    return {**fields, "value": setting.value, "allowable_values": list(setting.allowable_values) or None}


def _build_component(task: Any, component: FirmwareComponent) -> Any:
    initial = component.initial_version or component.current_version or "unknown"
    return objects.FirmwareComponent(
        task.context,
        node_id=task.node.id,
        component=component.component,
        initial_version=initial,
        current_version=component.current_version,
        last_version_flashed=component.last_version_flashed,
    )
