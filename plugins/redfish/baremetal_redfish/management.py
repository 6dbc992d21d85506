"""Management interface for Redfish: boot settings, interrupt, health, sensors, light and virtual media of a system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sushy.exceptions
from sushy import ResetType

from baremetal_interfaces import (
    BareMetalError,
    BootDevice,
    BootDeviceSetting,
    BootMode,
    BootModeControl,
    DriverState,
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
from baremetal_redfish.boot_override import TARGETS, BootOverride
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import describe_error
from baremetal_redfish.health import read_health
from baremetal_redfish.image import ImageURL
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.light import SystemLight
from baremetal_redfish.machine import borrow_session, borrow_system, translate_missing, translate_refusal
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.sensors import read_sensors
from baremetal_redfish.virtual_media import InsertionLimits, borrow_drives

_COMPONENT, _LIGHT = "system", "led"
_NOT_IMPLEMENTED = 501


@dataclass
class BootState(DriverState):
    """The persistent boot device that the BMC cannot keep, so that it is renewed before each power-on; None without one."""

    renewed_device: str | None = None


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
    state_type = BootState
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits
    supported_boot_devices = frozenset(TARGETS)

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """Return the supported devices that the system allows, or all of them if the system does not list any."""
        with _borrow_override(task) as override:
            return frozenset(device for device in TARGETS if override.choose_target(device) is not None)

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Return the override of the boot order. Without an override both values are None: Redfish has no other report.

        A device that is renewed before each power-on is reported as persistent.
        """
        renewed = _get_renewed_device(task)
        with _borrow_override(task) as override:
            found = override.device
        if renewed is not None and found.device in (None, renewed):
            return BootDeviceSetting(renewed, True)
        return found

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Override the boot order: for every boot if *persistent*, else for the next one.

        If the BMC knows no persistent override, the device is set for the next boot, and again before each power-on and reboot
        through this driver. Raises NotSupported for a device that the system does not allow.
        """
        with _borrow_override(task) as override:
            is_as_requested = override.set_device(device, persistent)
        if persistent:
            task.state(Kind.MANAGEMENT).renewed_device = None if is_as_requested else str(device)
        if not is_as_requested:
            task.log.info("the BMC has no persistent boot device: %s is set for one boot, and again before each power-on", device)

    def renew_boot_device(self, task: Task) -> None:
        """Set the boot device again that the BMC could not keep. Nothing is sent if there is none, or an override is pending.

        An error is logged: the machine then boots in the order of its firmware.
        """
        renewed = _get_renewed_device(task)
        if renewed is None:
            return
        try:
            with _borrow_override(task) as override:
                if override.device.device is None:
                    override.set_device(renewed, persistent=False)
        except (BareMetalError, sushy.exceptions.SushyError) as exc:
            task.log.warning("the boot device %s could not be set again before a power-on: %s", renewed, exc)

    def get_boot_mode(self, task: Task) -> BootMode:
        """Return the mode of the boot override, which is the mode of the next boot. Raises NotSupported without one."""
        with _borrow_override(task) as override:
            if override.mode is None:
                raise NotSupported(f"the system {override.path} does not report its boot mode")
            return override.mode

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the mode of the boot override to *mode*. Nothing is sent if it already has that mode.

        Raises NotSupported if the system does not allow the mode.
        """
        with _borrow_override(task) as override:
            if override.mode is not mode:
                override.set_mode(mode)

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
        """Return the worst health that the BMC reports for the machine and its parts; None if it reports none."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            return read_health(ResourceReader(session, task, "the health"), session.read_document(path))

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Read the sensors of the machine's chassis: sensor type -> sensor name -> reading."""
        path = task.info(Kind.MANAGEMENT).system_path
        with borrow_session(task) as session:
            return read_sensors(ResourceReader(session, task, "the report of sensors"), session.read_document(path))

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
        """Insert the image at *image_url* into a virtual drive for *device*, in place of any other image.

        If a drive takes no remote images, the next one is tried. The method returns when the drive reports the image.
        """
        image = ImageURL.parse("image_url", image_url)
        with borrow_drives(task, Kind.MANAGEMENT, self.options) as drives:
            drives.insert(device, image)

    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Eject the images of the virtual drives for *devices*, or of all drives if None."""
        with borrow_drives(task, Kind.MANAGEMENT, self.options) as drives:
            drives.eject(devices)

    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return the virtual drives and their images. The URLs of images are without accounts and queries."""
        with borrow_drives(task, Kind.MANAGEMENT, self.options) as drives:
            return drives.describe()


@contextmanager
def _borrow_override(task: Task) -> Iterator[BootOverride]:
    """Borrow a session, and read the boot override of the task's system."""
    info = task.info(Kind.MANAGEMENT)
    with borrow_session(task) as session:
        system = session.read_document(info.system_path)
        path = session.get_known_path(info.system_path)
        assert path is not None
        yield BootOverride.read(session, path, system, info.redfish_quirks)


def _get_renewed_device(task: Task) -> BootDevice | None:
    stored = task.state(Kind.MANAGEMENT).renewed_device
    return None if stored is None else BootDevice(stored)


def _check_light(component: str, indicator: str) -> None:
    if (component, indicator) != (_COMPONENT, _LIGHT):
        raise InvalidInput(f"indicator: {component}/{indicator} does not exist; the only one is {_COMPONENT}/{_LIGHT}")
