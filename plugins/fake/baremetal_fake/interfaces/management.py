"""Management of simulated machines: boot device, boot mode, secure boot, virtual media, a light, sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_fake.access import MachineAccess, SessionAccess
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
    ManagementInterface,
    NMIControl,
    NotSupported,
    Problem,
    SecureBootControl,
    SensorReport,
    Task,
    VirtualMediaControl,
    VirtualMediaDevice,
)

COMPONENT, INDICATOR = "system", "led"
"""The one light that a simulated machine has."""


class FakeManagement(
    MachineAccess,
    ManagementInterface,
    BootModeControl,
    SecureBootControl,
    VirtualMediaControl,
    NMIControl,
    IndicatorControl,
    SensorReport,
    HealthReport,
):
    """All that the contract knows of management."""

    supported_boot_devices = frozenset(
        {BootDevice.PXE, BootDevice.DISK, BootDevice.CDROM, BootDevice.FLOPPY, BootDevice.UEFIHTTP, BootDevice.BIOS}
    )

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """What the next boot starts from: the disk where nothing is set."""
        with self.bmc(task) as bmc:
            device, persistent = bmc.get_boot_device()
        return BootDeviceSetting(BootDevice.DISK, True) if device is None else BootDeviceSetting(device, persistent)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Boot from *device* once, or every time."""
        if device not in self.supported_boot_devices:
            listed = ", ".join(sorted(self.supported_boot_devices))
            raise NotSupported(f"node {task.node.label} cannot be told to boot from {device}; supported: {listed}")
        with self.bmc(task) as bmc:
            bmc.set_boot_device(device, persistent)

    def get_boot_mode(self, task: Task) -> BootMode:
        """The mode of the next boot."""
        with self.bmc(task) as bmc:
            return bmc.get_boot_mode()

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the mode of the next boot."""
        with self.bmc(task) as bmc:
            bmc.set_boot_mode(mode)

    def get_secure_boot(self, task: Task) -> bool:
        """Whether secure boot is enabled for the next boot."""
        with self.bmc(task) as bmc:
            return bmc.get_secure_boot()

    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot."""
        with self.bmc(task) as bmc:
            bmc.set_secure_boot(enabled)

    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert an image. It is not fetched: the simulated machine boots its name."""
        with self.bmc(task) as bmc:
            bmc.insert_media(device, image_url)

    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Eject images."""
        with self.bmc(task) as bmc:
            for device in [None] if devices is None else devices:
                bmc.eject_media(device)

    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Each device, and what is in it."""
        with self.bmc(task) as bmc:
            media = bmc.get_media()
        return [{"media_types": [one.value], "inserted": one in media, "image": media.get(one)} for one in VirtualMediaDevice]

    def inject_nmi(self, task: Task) -> None:
        """Send the interrupt; the machine counts it."""
        with self.bmc(task) as bmc:
            bmc.inject_nmi()

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """One light for the whole machine."""
        states = [state.value for state in IndicatorState if state is not IndicatorState.UNKNOWN]
        return {COMPONENT: {INDICATOR: {"readonly": False, "states": states}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """The state of the light."""
        _check_indicator(component, indicator)
        with self.bmc(task) as bmc:
            return bmc.get_indicator()

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Set the light."""
        _check_indicator(component, indicator)
        with self.bmc(task) as bmc:
            bmc.set_indicator(state)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """A temperature and a fan; they follow the power."""
        with self.bmc(task) as bmc:
            running = bmc.get_sensors()
        return {
            "Temperature": {"CPU 1": {"reading": 48.0 if running else 22.0, "units": "degrees C", "state": "Enabled"}},
            "Fan": {"Fan 1": {"reading": 7200.0 if running else 0.0, "units": "RPM", "state": "Enabled"}},
        }

    def get_node_health(self, task: Task) -> Health | None:
        """A simulated machine is well."""
        with self.bmc(task) as bmc:
            bmc.get_power()
        return Health.OK


class FakeBMCManagement(SessionAccess, FakeManagement):
    """The same by way of a login and a kept session."""


def _check_indicator(component: str, indicator: str) -> None:
    wanted = (("component", component, COMPONENT), ("indicator", indicator, INDICATOR))
    problems = [Problem(field, f"{given!r} does not exist", f"there is {one}") for field, given, one in wanted if given != one]
    if problems:
        raise InvalidInput(problems)
