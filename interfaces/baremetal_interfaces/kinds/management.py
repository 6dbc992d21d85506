"""The management interface: boot device, and optional capabilities of BMCs as mix-in classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import (
    BootDevice,
    BootDeviceSetting,
    BootMode,
    Health,
    IndicatorState,
    Kind,
    VirtualMediaDevice,
)

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class ManagementInterface(Interface):
    """Reads and sets the boot device. A plugin adds the classes below as bases for the capabilities of its machines."""

    kind = Kind.MANAGEMENT

    supported_boot_devices: ClassVar[frozenset[BootDevice]] = frozenset()
    """The boot devices that can be requested. The runtime refuses any other device before it calls the driver."""

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """Return the boot devices that this machine supports. Override it if machines of the plugin differ."""
        return self.supported_boot_devices

    @abstractmethod
    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Read the device of the next boot, and whether it is persistent. A value that the BMC does not report is None."""

    @abstractmethod
    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set the boot device to *device*: for the next boot only, or for every boot if *persistent*."""


class BootModeControl(ABC):
    """Mix-in: the boot mode of the firmware can be read and set."""

    supported_boot_modes: ClassVar[frozenset[BootMode]] = frozenset(BootMode)
    """The boot modes that can be requested."""

    @abstractmethod
    def get_boot_mode(self, task: Task) -> BootMode:
        """Read the boot mode."""

    @abstractmethod
    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the boot mode. It takes effect at the next boot."""


class SecureBootControl(ABC):
    """Mix-in: UEFI secure boot can be read and set."""

    @abstractmethod
    def get_secure_boot(self, task: Task) -> bool:
        """Return whether secure boot is enabled."""

    @abstractmethod
    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot. It takes effect at the next boot."""


class NMIControl(ABC):
    """Mix-in: a non-maskable interrupt (NMI) can be sent to the machine."""

    @abstractmethod
    def inject_nmi(self, task: Task) -> None:
        """Send the non-maskable interrupt. It may crash the operating system."""


class IndicatorControl(ABC):
    """Mix-in: the machine has indicator lights that can be read and set."""

    @abstractmethod
    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Return the lights: component name -> indicator name -> ``{"readonly": bool, "states": [...]}``.

        ``states`` holds texts of :class:`~baremetal_interfaces.values.IndicatorState`.
        """

    @abstractmethod
    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Read the state of one light. Raises ``InvalidInput`` or ``NotFound`` for a light that does not exist."""

    @abstractmethod
    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Set the state of one light. Raises ``InvalidInput`` for a state that the light does not have."""


class SensorReport(ABC):
    """Mix-in: the BMC has sensors."""

    @abstractmethod
    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Read all sensors: sensor type -> sensor name -> reading.

        Types are those of Ironic's sensor notifications, such as ``Temperature``, ``Voltage`` and ``Fan``.
        """


class HealthReport(ABC):
    """Mix-in: the BMC reports the health of its machine."""

    @abstractmethod
    def get_node_health(self, task: Task) -> Health | None:
        """Read the overall health of the machine; None if the BMC does not report it."""


class VirtualMediaControl(ABC):
    """Mix-in: images can be attached to the machine as virtual devices."""

    @abstractmethod
    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Attach the image at *image_url* as *device*. It replaces an image that is attached there."""

    @abstractmethod
    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Detach the images of *devices*, or of all devices if None. A device without an image is not an error."""

    @abstractmethod
    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return the virtual drives, each as ``{"media_types": [...], "inserted": bool, "image": url or None}``."""
