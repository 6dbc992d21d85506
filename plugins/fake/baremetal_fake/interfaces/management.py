"""Management interfaces of ``fake-hardware``: boot, secure boot, virtual media, NMI, indicator light, sensors, health."""

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
"""Component and name of the only indicator light of a simulated machine."""


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
    """Management interface ``fake`` of a simulated machine, with all optional capabilities of the contract."""

    supported_boot_devices = frozenset(
        {BootDevice.PXE, BootDevice.DISK, BootDevice.CDROM, BootDevice.FLOPPY, BootDevice.UEFIHTTP, BootDevice.BIOS}
    )

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Return the boot override and whether it applies to every boot; without an override, the disk for every boot."""
        with self.bmc(task) as bmc:
            device, persistent = bmc.get_boot_device()
        return BootDeviceSetting(BootDevice.DISK, True) if device is None else BootDeviceSetting(device, persistent)

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set the boot override to *device*, for the next boot or for every boot (*persistent*).

        Raises NotSupported if the machine cannot boot from *device*.
        """
        if device not in self.supported_boot_devices:
            supported = ", ".join(sorted(self.supported_boot_devices))
            raise NotSupported(f"node {task.node.label} cannot boot from {device}; supported devices: {supported}")
        with self.bmc(task) as bmc:
            bmc.set_boot_device(device, persistent)

    def get_boot_mode(self, task: Task) -> BootMode:
        """Return the firmware mode (UEFI or legacy BIOS) of the next boot."""
        with self.bmc(task) as bmc:
            return bmc.get_boot_mode()

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the firmware mode (UEFI or legacy BIOS) of the next boot."""
        with self.bmc(task) as bmc:
            bmc.set_boot_mode(mode)

    def get_secure_boot(self, task: Task) -> bool:
        """Return whether secure boot is enabled for the next boot."""
        with self.bmc(task) as bmc:
            return bmc.get_secure_boot()

    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot."""
        with self.bmc(task) as bmc:
            bmc.set_secure_boot(enabled)

    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url* into *device*. The URL is only recorded; no image is fetched."""
        with self.bmc(task) as bmc:
            bmc.insert_media(device, image_url)

    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Eject the images of the virtual media *devices*, or of all devices if it is None."""
        with self.bmc(task) as bmc:
            for device in [None] if devices is None else devices:
                bmc.eject_media(device)

    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return each virtual media device with the URL of its image, or None."""
        with self.bmc(task) as bmc:
            media = bmc.get_media()
        return [
            {"media_types": [device.value], "inserted": device in media, "image": media.get(device)}
            for device in VirtualMediaDevice
        ]

    def inject_nmi(self, task: Task) -> None:
        """Send a non-maskable interrupt to the machine, which only counts it."""
        with self.bmc(task) as bmc:
            bmc.inject_nmi()

    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Return the only indicator light, by component and name, with the states that it can have."""
        states = [state.value for state in IndicatorState if state is not IndicatorState.UNKNOWN]
        return {COMPONENT: {INDICATOR: {"readonly": False, "states": states}}}

    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Return the state of the indicator light; raise InvalidInput if *component* or *indicator* does not exist."""
        _check_indicator(component, indicator)
        with self.bmc(task) as bmc:
            return bmc.get_indicator()

    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Set the indicator light to *state*; raise InvalidInput if *component* or *indicator* does not exist."""
        _check_indicator(component, indicator)
        with self.bmc(task) as bmc:
            bmc.set_indicator(state)

    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return simulated readings of a temperature and a fan speed, which depend on the power of the machine."""
        with self.bmc(task) as bmc:
            running = bmc.get_sensors()
        return {
            "Temperature": {"CPU 1": {"reading": 48.0 if running else 22.0, "units": "degrees C", "state": "Enabled"}},
            "Fan": {"Fan 1": {"reading": 7200.0 if running else 0.0, "units": "RPM", "state": "Enabled"}},
        }

    def get_node_health(self, task: Task) -> Health | None:
        """Return OK if the BMC answers, because a simulated machine is always healthy. Raises the error of a fault."""
        with self.bmc(task) as bmc:
            bmc.get_power()
        return Health.OK


class FakeBMCManagement(SessionAccess, FakeManagement):
    """Management interface ``fake-bmc``: the same operations as ``fake``, through a session at the simulated BMC."""


def _check_indicator(component: str, indicator: str) -> None:
    """Raise InvalidInput unless *component* and *indicator* name the only indicator light."""
    checks = (("component", component, COMPONENT), ("indicator", indicator, INDICATOR))
    problems = [
        Problem(field, f"{name!r} does not exist", f"the only {field} is {known}")
        for field, name, known in checks
        if name != known
    ]
    if problems:
        raise InvalidInput(problems)
