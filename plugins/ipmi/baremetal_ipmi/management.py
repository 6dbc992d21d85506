"""Management interface for IPMI: boot device, sensors, identify light and interrupt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    IndicatorControl,
    IndicatorState,
    InvalidInput,
    ManagementInterface,
    NMIControl,
    Node,
    NotSupported,
    SensorReport,
    Task,
)
from baremetal_ipmi import chassis
from baremetal_ipmi.connector import IPMIConnector, borrow_controller
from baremetal_ipmi.errors import CommandRefused
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.sensors import read_sensors
from baremetal_ipmi.session import IPMISession

_COMPONENT, _LIGHT = "chassis", "identify"


class IPMIManagement(ManagementInterface, NMIControl, IndicatorControl, SensorReport):
    """Management by IPMI commands. ``ipmitool`` is a second name of the interface, for clients of Ironic.

    The boot flags request UEFI unless the node has the capability ``boot_mode:bios``.
    """

    info_type = IPMIInfo
    connector = IPMIConnector
    supported_boot_devices = chassis.BOOT_DEVICES

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Return the boot device in the boot flags. Without valid flags both values are None: IPMI has no other report."""
        with borrow_controller(task, self.kind) as session:
            return chassis.get_boot_device(session, task.deadline)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set the boot flags to *device*. Raises NotSupported if the BMC refuses the device.

        With ``ipmi_disable_boot_timeout`` the flags stay valid without a power command. If the BMC refuses that setting, the
        refusal is only logged.
        """
        info: IPMIInfo = task.info(self.kind)
        uefi = boots_in_uefi_mode(task.node)
        with borrow_controller(task, self.kind) as session:
            if info.ipmi_disable_boot_timeout:
                self._keep_boot_device(task, session)
            try:
                chassis.set_boot_device(session, device, persistent=persistent, uefi=uefi, deadline=task.deadline)
            except CommandRefused as exc:
                raise NotSupported(f"the BMC of node {task.node.label} refuses {device} as its boot device: {exc}") from None

    def inject_nmi(self, task: Task) -> None:
        """Send the diagnostic interrupt. Raises NotSupported if the BMC does not support it."""
        with borrow_controller(task, self.kind) as session:
            chassis.send_interrupt(session, task.deadline)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Read the sensors of the node's controller: sensor type -> sensor name -> reading.

        Sensors of other controllers are omitted.
        """
        with borrow_controller(task, self.kind) as session:
            return read_sensors(session, task.deadline)

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Return the only light, ``chassis/identify``, which can be set to on and off but not to blinking."""
        states = sorted((IndicatorState.ON.value, IndicatorState.OFF.value))
        return {_COMPONENT: {_LIGHT: {"readonly": False, "states": states}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Return the state of the identify light. Raises InvalidInput for any other light."""
        _check_light(component, indicator)
        with borrow_controller(task, self.kind) as session:
            return chassis.get_light(session, task.deadline)

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Switch the identify light on or off. Raises InvalidInput for any other state or light."""
        _check_light(component, indicator)
        if state not in (IndicatorState.ON, IndicatorState.OFF):
            raise InvalidInput(f"state: {state} cannot be set; allowed are OFF and ON")
        with borrow_controller(task, self.kind) as session:
            chassis.set_light(session, state is IndicatorState.ON, task.deadline)

    def _keep_boot_device(self, task: Task, session: IPMISession) -> None:
        try:
            chassis.keep_boot_device(session, task.deadline)
        except CommandRefused as exc:
            task.log.warning("the boot device may be forgotten after 60 seconds: the BMC cannot disable that timeout: %s", exc)


def _check_light(component: str, indicator: str) -> None:
    if (component, indicator) != (_COMPONENT, _LIGHT):
        raise InvalidInput(f"indicator: {component}/{indicator} does not exist; the only one is {_COMPONENT}/{_LIGHT}")


def boots_in_uefi_mode(node: Node) -> bool:
    """Return whether the node boots in UEFI mode.

    The capability ``boot_mode`` of ``instance_info`` decides, else that of ``properties``. Without both the mode is UEFI.
    """
    for source in (node.instance_info, node.properties):
        mode = _parse_capabilities(source).get("boot_mode")
        if mode is not None:
            return str(mode) != "bios"
    return True


def _parse_capabilities(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the capabilities, which clients send as an object or as ``name:value,name:value``."""
    given = source.get("capabilities")
    if isinstance(given, Mapping):
        return given
    pairs = (pair.partition(":") for pair in str(given or "").split(","))
    return {name.strip(): value.strip() for name, _, value in pairs}
