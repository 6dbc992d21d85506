"""Adapter that offers a plugin's management interface to Ironic."""

from __future__ import annotations

from typing import Any

from ironic.common import exception, health_states
from ironic.drivers import base

from baremetal_interfaces import (
    BootDevice,
    BootMode,
    BootModeControl,
    Health,
    IndicatorState,
    VirtualMediaDevice,
)
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.faults import parse_choice


class ManagementAdapter(Adapter, base.ManagementInterface):
    """Offers a plugin's management interface to Ironic. Calls of a capability that the plugin lacks raise Ironic's errors."""

    def get_supported_boot_devices(self, task: Any) -> list[str]:
        """Return the boot devices that the machine supports."""
        return sorted(device.value for device in self.call(task, "get_supported_boot_devices"))

    def set_boot_device(self, task: Any, device: str, persistent: bool = False) -> None:
        """Set the boot device, for the next boot or permanently. Unsupported devices are refused before the plugin is called."""
        if device not in self.get_supported_boot_devices(task):
            raise exception.InvalidParameterValue(f"Invalid boot device {device} specified.")
        self.call(task, "set_boot_device", BootDevice(device), persistent=persistent)

    def get_boot_device(self, task: Any) -> dict[str, Any]:
        """Return the boot device as ``{"boot_device": ..., "persistent": ...}``; None stands for a value that is not reported."""
        found = self.call(task, "get_boot_device")
        return {"boot_device": found.device.value if found.device else None, "persistent": found.persistent}

    def get_sensors_data(self, task: Any) -> dict[str, Any]:
        """Return the sensor readings: sensor type -> sensor name -> reading."""
        return dict(self.call(task, "get_sensors_data"))

    def get_supported_boot_modes(self, task: Any) -> list[str]:
        """Return the boot modes that can be set; an empty list if the plugin cannot change the mode."""
        modes = self._interface.supported_boot_modes if isinstance(self._interface, BootModeControl) else ()
        return sorted(mode.value for mode in modes)

    def get_boot_mode(self, task: Any) -> str:
        """Return the boot mode."""
        mode: BootMode = self.call(task, "get_boot_mode")
        return mode.value

    def set_boot_mode(self, task: Any, mode: str) -> None:
        """Set the mode of the next boot. Undeclared modes are refused before the plugin is called."""
        supported = self.get_supported_boot_modes(task)
        if supported and mode not in supported:
            raise exception.InvalidParameterValue(f"Invalid boot mode {mode} specified; supported: {', '.join(supported)}.")
        self.call(task, "set_boot_mode", parse_choice(BootMode, "boot mode", mode))

    def get_secure_boot_state(self, task: Any) -> bool:
        """Return whether secure boot is enabled."""
        return bool(self.call(task, "get_secure_boot"))

    def set_secure_boot_state(self, task: Any, state: bool) -> None:
        """Enable or disable secure boot."""
        self.call(task, "set_secure_boot", state)

    def inject_nmi(self, task: Any) -> None:
        """Send a non-maskable interrupt."""
        self.call(task, "inject_nmi")

    def get_node_health(self, task: Any) -> health_states.HealthState | None:
        """Return the health that the BMC reports, or None if it reports none."""
        found: Health | None = self.call(task, "get_node_health")
        return health_states.HealthState[found.name] if found is not None else None

    def get_supported_indicators(self, task: Any, component: str | None = None) -> dict[str, Any]:
        """Return the lights of *component*, or of all: component -> light -> description."""
        found = self.call(task, "get_supported_indicators")
        return {name: dict(lights) for name, lights in found.items() if component in (None, name)}

    def get_indicator_state(self, task: Any, component: str, indicator: str) -> str:
        """Return the state of a light."""
        state: IndicatorState = self.call(task, "get_indicator_state", component, indicator)
        return state.value

    def set_indicator_state(self, task: Any, component: str, indicator: str, state: str) -> None:
        """Set the state of a light. Raises InvalidParameterValue for an unknown state."""
        self.call(task, "set_indicator_state", component, indicator, parse_choice(IndicatorState, "state", state))

    def attach_virtual_media(self, task: Any, device_type: str, image_url: str) -> None:
        """Attach the image at *image_url* to the virtual drive *device_type*."""
        self.call(task, "attach_virtual_media", parse_choice(VirtualMediaDevice, "device type", device_type), image_url)

    def detach_virtual_media(self, task: Any, device_types: list[str] | None = None) -> None:
        """Detach the images of the virtual drives of *device_types*, or of all drives."""
        devices = None
        if device_types:
            devices = [parse_choice(VirtualMediaDevice, "device type", device_type) for device_type in device_types]
        self.call(task, "detach_virtual_media", devices)

    def get_virtual_media(self, task: Any) -> list[dict[str, Any]]:
        """Return the virtual drives and their images."""
        return [dict(drive) for drive in self.call(task, "get_virtual_media")]
