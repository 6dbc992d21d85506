"""Conformance of the Redfish plugin, against the emulator of sushy-tools."""

from __future__ import annotations

from typing import ClassVar

from baremetal_interfaces import BootDevice, BootDeviceSetting, NotSupported, Task
from baremetal_interfaces.conformance import HardwareTypeConformance
from baremetal_redfish.boot import RedfishVirtualMediaBoot
from baremetal_redfish.hardware import RedfishHardware
from baremetal_redfish.inspect import RedfishInspect
from baremetal_redfish.management import RedfishManagement
from baremetal_redfish.power import RedfishPower
from baremetal_sdk.drivers.builtin.ramdisk import RamdiskDeploy
from tests.fixtures.sushy_emulator import SushyEmulator

ACCOUNT = ("operator", "correct horse/battery")


class EmulatedManagement(RedfishManagement):
    """Leaves out what the emulator does differently from BMCs.

    The emulator reports each boot device as persistent, and treats UEFI HTTP without a URL as PXE.
    """

    supported_boot_devices = RedfishManagement.supported_boot_devices - {BootDevice.UEFIHTTP}

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        return super().get_supported_boot_devices(task) & self.supported_boot_devices

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        if device not in self.supported_boot_devices:
            raise NotSupported(f"{device} is not supported")
        super().set_boot_device(task, device, persistent)

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        return BootDeviceSetting(super().get_boot_device(task).device, persistent=None)


class TestConformance(HardwareTypeConformance):
    """All rules of the kit, against an emulator with authentication."""

    emulator: ClassVar[SushyEmulator]
    hardware_type = RedfishHardware
    interfaces = {
        "power": RedfishPower,
        "management": EmulatedManagement,
        "boot": RedfishVirtualMediaBoot,
        "deploy": RamdiskDeploy,
        "inspect": RedfishInspect,
    }

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.emulator = SushyEmulator(account=ACCOUNT, power_seconds=1)
        cls.emulator.start()
        cls.addClassCleanup(cls.emulator.stop)
        cls.driver_info = {
            "redfish_address": cls.emulator.url,
            "redfish_system_id": cls.emulator.system_path(),
            "redfish_username": ACCOUNT[0],
            "redfish_password": ACCOUNT[1],
        }
