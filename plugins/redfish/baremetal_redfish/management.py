"""Management interface for Redfish: boot settings, interrupt, health, sensors, light and virtual media of a system."""

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
from baremetal_redfish.boot_quirks import BootFlag, find_boot_flags
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import describe_error
from baremetal_redfish.image import ImageURL
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.light import SystemLight
from baremetal_redfish.machine import borrow_session, borrow_system, translate_missing, translate_refusal
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
"""Boot device -> Redfish's boot sources for it. The first one that the system allows is set."""

_DEVICES = {source: device for device, sources in _SOURCES.items() for source in sources}
_BOOT_MODES = {BootSourceOverrideMode.LEGACY: BootMode.BIOS, BootSourceOverrideMode.UEFI: BootMode.UEFI}
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
    """Boot settings, secure boot, interrupt, health, sensors, light and virtual media of a Redfish system."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits
    supported_boot_devices = frozenset(_SOURCES)

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """Return the supported devices that the system allows, or all of them if the system does not list any."""
        with borrow_system(task, Kind.MANAGEMENT) as system:
            return frozenset(device for device in _SOURCES if _choose_source(system, device) is not None)

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Return the override of the boot order. Without an override both values are None: Redfish has no other report."""
        with borrow_system(task, Kind.MANAGEMENT) as system:
            boot = system.boot
            if boot is None or boot.enabled in (None, BootSourceOverrideEnabled.DISABLED):
                return BootDeviceSetting(None, None)
            device = _DEVICES.get(boot.target)
            persistent = boot.enabled is BootSourceOverrideEnabled.CONTINUOUS
            return BootDeviceSetting(device, None if device is None else persistent)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Override the boot order: for every boot if *persistent*, else for the next one.

        Raises NotSupported for a device that the system does not allow.
        """
        enabled = BootSourceOverrideEnabled.CONTINUOUS if persistent else BootSourceOverrideEnabled.ONCE
        with borrow_system(task, Kind.MANAGEMENT) as system:
            source = _choose_source(system, device)
            if source is None:
                known = ", ".join(sorted(allowed.value for allowed in system.get_allowed_system_boot_source_values()))
                raise NotSupported(f"boot_device: the system {system.path} cannot boot from {device}; it allows {known}")
            sends_mode = BootFlag.MODE_WITH_TARGET in find_boot_flags(system.json) and system.boot is not None
            with translate_refusal("boot_device", device):
                system.set_system_boot_options(source, enabled=enabled, mode=system.boot.mode if sends_mode else None)

    def get_boot_mode(self, task: Task) -> BootMode:
        """Return the mode of the boot override, which is the mode of the next boot. Raises UnexpectedAnswer without one."""
        with borrow_system(task, Kind.MANAGEMENT) as system:
            mode = system.boot.mode if system.boot is not None else None
            if mode not in _BOOT_MODES:
                raise UnexpectedAnswer(f"the system {system.path} does not report its boot mode")
            return _BOOT_MODES[mode]

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the mode of the boot override to *mode*. Nothing is sent if it already has that mode."""
        wanted = next(theirs for theirs, ours in _BOOT_MODES.items() if ours is mode)
        with borrow_system(task, Kind.MANAGEMENT) as system:
            if system.boot is None or system.boot.mode is not wanted:
                with translate_refusal("boot_mode", mode):
                    system.set_system_boot_options(mode=wanted)

    def get_secure_boot(self, task: Task) -> bool:
        """Return whether secure boot is enabled for the next boot. Raises NotSupported if the system has no secure boot."""
        with borrow_system(task, Kind.MANAGEMENT) as system, translate_missing("secure boot"):
            enabled = system.secure_boot.enabled
            if not isinstance(enabled, bool):
                raise UnexpectedAnswer(f"the system {system.path} does not report whether secure boot is enabled")
            return enabled

    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot. Nothing is sent if it already has that setting."""
        with borrow_system(task, Kind.MANAGEMENT) as system, translate_missing("secure boot"):
            secure_boot = system.secure_boot
            if secure_boot.enabled is not enabled:
                with translate_refusal("secure_boot", enabled):
                    secure_boot.set_enabled(enabled)

    def inject_nmi(self, task: Task) -> None:
        """Send the interrupt by a reset of type ``Nmi``. Raises NotSupported if the system does not allow that reset."""
        with borrow_system(task, Kind.MANAGEMENT) as system, translate_missing("reset"):
            allowed = system.get_allowed_reset_system_values()
            if ResetType.NMI not in allowed:
                known = ", ".join(sorted(reset.value for reset in allowed))
                raise NotSupported(f"the system {system.path} does not support NMI; its reset types are {known}")
            try:
                system.reset_system(ResetType.NMI)
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code != _NOT_IMPLEMENTED:
                    raise
                raise NotSupported(f"the system {system.path} does not support NMI: {describe_error(exc)}") from None

    def get_node_health(self, task: Task) -> Health | None:
        """Return the health of the system with its parts, or of the system alone; None if the BMC reports neither."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            status = session.read_document(path).get("Status")
        reported = (status.get("HealthRollup"), status.get("Health")) if isinstance(status, dict) else ()
        return next((_HEALTH[health] for health in reported if isinstance(health, str) and health in _HEALTH), None)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Read the sensors of the system's chassis: sensor type -> sensor name -> reading."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            return read_sensors(session, session.read_document(path))

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Return the only light, ``system/led``, with the states that it can be set to; empty if the system has none."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            light = SystemLight.find(session.read_document(path))
        if light is None:
            return {}
        return {_COMPONENT: {_LIGHT: {"readonly": False, "states": sorted(state.value for state in light.states)}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Return the state of the system's light; ``UNKNOWN`` without a light. Raises InvalidInput for any other light."""
        _check_light(component, indicator)
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            light = SystemLight.find(session.read_document(path))
        return IndicatorState.UNKNOWN if light is None else light.state

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Set the system's light to *state*.

        Raises NotSupported if the system has no light, and InvalidInput for another light or a state that it lacks.
        """
        _check_light(component, indicator)
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            document = session.read_document(path)
            light = SystemLight.find(document)
            if light is None:
                raise NotSupported(f"the system {session.get_known_path(path)} has no light that can be switched")
            with translate_refusal("state", state):
                session.transport.change(session.get_known_path(path) or "", light.build_change(state))

    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url* into the first virtual drive for *device*, in place of any other image.

        The method returns when the drive reports the image.
        """
        image = ImageURL.parse("image_url", image_url)
        with borrow_system(task, Kind.MANAGEMENT) as system:
            VirtualDrives(task, system, self.options).insert(device, image)

    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Eject the images of the virtual drives for *devices*, or of all drives if None."""
        with borrow_system(task, Kind.MANAGEMENT) as system:
            VirtualDrives(task, system, self.options).eject(devices)

    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return the virtual drives and their images. The URLs of images are without accounts and queries."""
        with borrow_system(task, Kind.MANAGEMENT) as system:
            return VirtualDrives(task, system, self.options).describe()


def _choose_source(system: System, device: BootDevice) -> BootSource | None:
    allowed = system.get_allowed_system_boot_source_values()
    return next((source for source in _SOURCES.get(device, ()) if source in allowed), None)


def _check_light(component: str, indicator: str) -> None:
    if (component, indicator) != (_COMPONENT, _LIGHT):
        raise InvalidInput(f"indicator: {component}/{indicator} does not exist; the only one is {_COMPONENT}/{_LIGHT}")
