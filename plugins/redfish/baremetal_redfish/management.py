"""Boot device, boot mode, secure boot, health, lights and virtual media of a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sushy.exceptions
from sushy import BootSource, BootSourceOverrideEnabled, BootSourceOverrideMode, ResetType
from sushy.resources.system.system import System

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    BootMode,
    BootModeControl,
    Health,
    HealthReport,
    IndicatorControl,
    IndicatorState,
    InvalidInput,
    Kind,
    ManagementInterface,
    NMIControl,
    NotSupported,
    SecureBootControl,
    SensorReport,
    Task,
    UnexpectedAnswer,
    VirtualMediaControl,
    VirtualMediaDevice,
)
from baremetal_redfish.boot_quirks import BootFlag, boot_flags
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import what_it_said
from baremetal_redfish.image import ImageURL
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.light import SystemLight
from baremetal_redfish.machine import blaming, borrowed, offering, system_of
from baremetal_redfish.sensors import read_sensors
from baremetal_redfish.virtual_media import InsertionLimits, VirtualDrives

_SOURCES: dict[BootDevice, tuple[BootSource, ...]] = {
    BootDevice.PXE: (BootSource.PXE,),
    BootDevice.DISK: (BootSource.HDD,),
    BootDevice.CDROM: (BootSource.CD, BootSource.USB_CD),
    BootDevice.BIOS: (BootSource.BIOS_SETUP,),
    BootDevice.UEFIHTTP: (BootSource.UEFI_HTTP,),
    BootDevice.FLOPPY: (BootSource.FLOPPY,),
}
"""What is set for a device: the first one that the system allows."""

_DEVICES = {source: device for device, sources in _SOURCES.items() for source in sources}
_MODES = {BootSourceOverrideMode.LEGACY: BootMode.BIOS, BootSourceOverrideMode.UEFI: BootMode.UEFI}
_HEALTH = {"OK": Health.OK, "Warning": Health.WARNING, "Critical": Health.CRITICAL}
_COMPONENT, _LIGHT = "system", "led"
_NOT_IMPLEMENTED = 501


class RedfishManagement(
    ManagementInterface,
    BootModeControl,
    SecureBootControl,
    NMIControl,
    HealthReport,
    IndicatorControl,
    SensorReport,
    VirtualMediaControl,
):
    """What a Redfish system can be told besides power."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits
    supported_boot_devices = frozenset(_SOURCES)

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """Those of the devices that the system lists as allowable; all of them where it does not say."""
        with system_of(task, Kind.MANAGEMENT) as system:
            return frozenset(device for device in _SOURCES if _source(system, device) is not None)

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """The override of the boot order; without one, Redfish does not say what a machine boots from."""
        with system_of(task, Kind.MANAGEMENT) as system:
            boot = system.boot
            if boot is None or boot.enabled in (None, BootSourceOverrideEnabled.DISABLED):
                return BootDeviceSetting(None, None)
            device = _DEVICES.get(boot.target)
            persistent = boot.enabled is BootSourceOverrideEnabled.CONTINUOUS
            return BootDeviceSetting(device, None if device is None else persistent)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Override the boot order, once or for good."""
        enabled = BootSourceOverrideEnabled.CONTINUOUS if persistent else BootSourceOverrideEnabled.ONCE
        with system_of(task, Kind.MANAGEMENT) as system:
            source = _source(system, device)
            if source is None:
                there = ", ".join(sorted(one.value for one in system.get_allowed_system_boot_source_values()))
                raise NotSupported(f"boot_device: the system {system.path} cannot boot from {device}; it allows {there}")
            along = BootFlag.MODE_WITH_TARGET in boot_flags(system.json) and system.boot is not None
            with blaming("boot_device", device):
                system.set_system_boot_options(source, enabled=enabled, mode=system.boot.mode if along else None)

    def get_boot_mode(self, task: Task) -> BootMode:
        """The mode of the boot override, which is the one of the next boot."""
        with system_of(task, Kind.MANAGEMENT) as system:
            mode = system.boot.mode if system.boot is not None else None
            if mode not in _MODES:
                raise UnexpectedAnswer(f"the system {system.path} does not say what its boot mode is")
            return _MODES[mode]

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the mode of the boot override, unless it is that already."""
        wanted = next(theirs for theirs, ours in _MODES.items() if ours is mode)
        with system_of(task, Kind.MANAGEMENT) as system:
            if system.boot is None or system.boot.mode is not wanted:
                with blaming("boot_mode", mode):
                    system.set_system_boot_options(mode=wanted)

    def get_secure_boot(self, task: Task) -> bool:
        """Whether secure boot is enabled for the next boot."""
        with system_of(task, Kind.MANAGEMENT) as system, offering("secure boot"):
            enabled = system.secure_boot.enabled
            if not isinstance(enabled, bool):
                raise UnexpectedAnswer(f"the system {system.path} does not say whether secure boot is enabled")
            return enabled

    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot, unless it is that already."""
        with system_of(task, Kind.MANAGEMENT) as system, offering("secure boot"):
            secure_boot = system.secure_boot
            if secure_boot.enabled is not enabled:
                with blaming("secure_boot", enabled):
                    secure_boot.set_enabled(enabled)

    def inject_nmi(self, task: Task) -> None:
        """Send the interrupt by a reset of type ``Nmi``."""
        with system_of(task, Kind.MANAGEMENT) as system, offering("reset"):
            allowed = system.get_allowed_reset_system_values()
            if ResetType.NMI not in allowed:
                there = ", ".join(sorted(one.value for one in allowed))
                raise NotSupported(f"the system {system.path} cannot be sent an interrupt; its resets are {there}")
            try:
                system.reset_system(ResetType.NMI)
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code != _NOT_IMPLEMENTED:
                    raise
                raise NotSupported(f"the system {system.path} cannot be sent an interrupt: {what_it_said(exc)}") from None

    def get_node_health(self, task: Task) -> Health | None:
        """The health of the system with its parts where that is told, else of the system alone."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrowed(task) as session:
            status = session.document(path).get("Status")
        told = (status.get("HealthRollup"), status.get("Health")) if isinstance(status, dict) else ()
        return next((_HEALTH[one] for one in told if isinstance(one, str) and one in _HEALTH), None)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """The readings of the system's chassis: temperatures, fans, power supplies and voltages."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrowed(task) as session:
            return read_sensors(session, session.document(path))

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """The one light of the system, where it has one."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrowed(task) as session:
            light = SystemLight.of(session.document(path))
        if light is None:
            return {}
        return {_COMPONENT: {_LIGHT: {"readonly": False, "states": sorted(state.value for state in light.states)}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Whether the system's light is on."""
        _known_light(component, indicator)
        path = task.info(Kind.MANAGEMENT).system_path
        with borrowed(task) as session:
            light = SystemLight.of(session.document(path))
        return IndicatorState.UNKNOWN if light is None else light.state

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Switch the system's light."""
        _known_light(component, indicator)
        path = task.info(Kind.MANAGEMENT).system_path
        with borrowed(task) as session:
            document = session.document(path)
            light = SystemLight.of(document)
            if light is None:
                raise NotSupported(f"the system {session.known_path(path)} has no light that can be switched")
            with blaming("state", state):
                session.transport.change(session.known_path(path) or "", light.change(state))

    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image into the first virtual drive of that kind; what was in it is ejected."""
        image = ImageURL.parse("image_url", image_url)
        with system_of(task, Kind.MANAGEMENT) as system:
            VirtualDrives(task, system, self.options).insert(device, image)

    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Eject what is in the virtual drives of those kinds, or in all."""
        with system_of(task, Kind.MANAGEMENT) as system:
            VirtualDrives(task, system, self.options).eject(devices)

    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """The virtual drives and what is in them; URLs without accounts and queries."""
        with system_of(task, Kind.MANAGEMENT) as system:
            return VirtualDrives(task, system, self.options).described()


def _source(system: System, device: BootDevice) -> BootSource | None:
    allowed = system.get_allowed_system_boot_source_values()
    return next((source for source in _SOURCES.get(device, ()) if source in allowed), None)


def _known_light(component: str, indicator: str) -> None:
    if (component, indicator) != (_COMPONENT, _LIGHT):
        raise InvalidInput(f"indicator: there is no {component}/{indicator}; there is {_COMPONENT}/{_LIGHT}")
