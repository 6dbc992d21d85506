"""Boot device, sensors, light and interrupt of IPMI machines."""

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
from baremetal_ipmi.connector import IPMIConnector, asked
from baremetal_ipmi.errors import CommandRefused
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.sensors import read_sensors
from baremetal_ipmi.session import IPMISession

_COMPONENT, _LIGHT = "chassis", "identify"


class IPMIManagement(ManagementInterface, NMIControl, IndicatorControl, SensorReport):
    """Boot device by boot flags. ``ipmitool`` is another name of it, for nodes and clients that ask for that one.

    The flags say UEFI unless the node has the capability ``boot_mode:bios``.
    """

    info_type = IPMIInfo
    connector = IPMIConnector
    supported_boot_devices = chassis.BOOT_DEVICES

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Ask for the boot flags; the BMC does not say what a machine boots from without them."""
        with asked(task, self.kind) as session:
            return chassis.boot_device(session, task.deadline)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set the boot flags."""
        info: IPMIInfo = task.info(self.kind)
        uefi = boots_by_uefi(task.node)
        with asked(task, self.kind) as session:
            if info.ipmi_disable_boot_timeout:
                self._keep(task, session)
            try:
                chassis.set_boot_device(session, device, persistent=persistent, uefi=uefi, deadline=task.deadline)
            except CommandRefused as exc:
                raise NotSupported(f"the BMC of node {task.node.label} refuses {device} as its boot device: {exc}") from None

    def inject_nmi(self, task: Task) -> None:
        """Send the diagnostic interrupt."""
        with asked(task, self.kind) as session:
            chassis.interrupt(session, task.deadline)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """The readings of the BMC's own sensors."""
        with asked(task, self.kind) as session:
            return read_sensors(session, task.deadline)

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """The light that identifies the machine; it cannot be told to blink."""
        states = sorted((IndicatorState.ON.value, IndicatorState.OFF.value))
        return {_COMPONENT: {_LIGHT: {"readonly": False, "states": states}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Whether the light is on."""
        _known_light(component, indicator)
        with asked(task, self.kind) as session:
            return chassis.light(session, task.deadline)

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Switch the light on or off."""
        _known_light(component, indicator)
        if state not in (IndicatorState.ON, IndicatorState.OFF):
            raise InvalidInput(f"state: {state} cannot be set; allowed are OFF and ON")
        with asked(task, self.kind) as session:
            chassis.set_light(session, state is IndicatorState.ON, task.deadline)

    def _keep(self, task: Task, session: IPMISession) -> None:
        try:
            chassis.keep_boot_device(session, task.deadline)
        except CommandRefused as exc:
            task.log.warning("the boot device may be forgotten after 60 seconds: the BMC does not let that be changed: %s", exc)


def _known_light(component: str, indicator: str) -> None:
    if (component, indicator) != (_COMPONENT, _LIGHT):
        raise InvalidInput(f"indicator: there is no {component}/{indicator}; there is {_COMPONENT}/{_LIGHT}")


def boots_by_uefi(node: Node) -> bool:
    """Whether the node starts by UEFI: what its instance asks for, else what it is capable of, else it does."""
    for source in (node.instance_info, node.properties):
        mode = _capabilities(source).get("boot_mode")
        if mode is not None:
            return str(mode) != "bios"
    return True


def _capabilities(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The capabilities, which clients send as an object or as ``name:value,name:value``."""
    given = source.get("capabilities")
    if isinstance(given, Mapping):
        return given
    pairs = (pair.partition(":") for pair in str(given or "").split(","))
    return {name.strip(): value.strip() for name, _, value in pairs}
