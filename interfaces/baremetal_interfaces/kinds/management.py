"""Management: what a machine boots from, and what else its BMC can be told."""

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
    """Boot devices. What only some machines have is offered by adding the classes below."""

    kind = Kind.MANAGEMENT

    supported_boot_devices: ClassVar[frozenset[BootDevice]] = frozenset()
    """What can be asked for; an undeclared device is refused before the driver is called."""

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """What this machine can boot from, where that differs from machine to machine."""
        return self.supported_boot_devices

    @abstractmethod
    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Ask what the machine boots from next."""

    @abstractmethod
    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Boot from *device* the next time, or every time when it is *persistent*."""


class BootModeControl(ABC):
    """The firmware's boot mode can be read and set."""

    supported_boot_modes: ClassVar[frozenset[BootMode]] = frozenset(BootMode)

    @abstractmethod
    def get_boot_mode(self, task: Task) -> BootMode:
        """Ask for the boot mode."""

    @abstractmethod
    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set the boot mode; it takes effect at the next boot."""


class SecureBootControl(ABC):
    """Secure boot can be read and set."""

    @abstractmethod
    def get_secure_boot(self, task: Task) -> bool:
        """Ask whether secure boot is enabled."""

    @abstractmethod
    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Enable or disable secure boot; it takes effect at the next boot."""


class NMIControl(ABC):
    """A non-maskable interrupt can be sent."""

    @abstractmethod
    def inject_nmi(self, task: Task) -> None:
        """Send the interrupt."""


class IndicatorControl(ABC):
    """The machine has lights that can be read and set."""

    @abstractmethod
    def get_supported_indicators(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Component name -> indicator name -> ``{"readonly": bool, "states": [...]}``."""

    @abstractmethod
    def get_indicator_state(self, task: Task, component: str, indicator: str) -> IndicatorState:
        """Ask for the state of one light."""

    @abstractmethod
    def set_indicator_state(self, task: Task, component: str, indicator: str, state: IndicatorState) -> None:
        """Set the state of one light."""


class SensorReport(ABC):
    """The BMC has sensors."""

    @abstractmethod
    def get_sensors_data(self, task: Task) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Sensor type -> sensor name -> reading."""


class HealthReport(ABC):
    """The BMC says how its machine is."""

    @abstractmethod
    def get_node_health(self, task: Task) -> Health | None:
        """Ask for the health of the machine as a whole."""


class VirtualMediaControl(ABC):
    """Images can be attached as devices of the machine."""

    @abstractmethod
    def attach_virtual_media(self, task: Task, device: VirtualMediaDevice, image_url: str) -> None:
        """Attach the image at *image_url*, in place of what was attached there."""

    @abstractmethod
    def detach_virtual_media(self, task: Task, devices: Sequence[VirtualMediaDevice] | None = None) -> None:
        """Detach *devices*, or all of them. What is not attached is not an error."""

    @abstractmethod
    def get_virtual_media(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """What is attached: ``{"media_types": [...], "inserted": bool, "image": url}`` each."""
