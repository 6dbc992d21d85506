from __future__ import annotations

from testtools import TestCase

from baremetal_fake import FaultPlan
from baremetal_fake.bmc_account import Account
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import Node
from baremetal_interfaces.conformance import RULES, HardwareTypeConformance
from baremetal_redfish.bios import RedfishBIOS
from baremetal_redfish.boot import RedfishVirtualMediaBoot
from baremetal_redfish.firmware import RedfishFirmware
from baremetal_redfish.hardware import RedfishHardware
from baremetal_redfish.inspect import RedfishInspect
from baremetal_redfish.management import RedfishManagement
from baremetal_redfish.power import RedfishPower
from baremetal_redfish.raid import RedfishRAID
from baremetal_redfish.vendor import RedfishVendor
from baremetal_sdk.drivers.builtin.ramdisk import RamdiskDeploy
from tests.fixtures.redfish_emulator import ACCOUNT, EmulatorTestCase

INTERFACES = {
    "power": RedfishPower,
    "management": RedfishManagement,
    "boot": RedfishVirtualMediaBoot,
    "deploy": RamdiskDeploy,
    "inspect": RedfishInspect,
    "bios": RedfishBIOS,
    "raid": RedfishRAID,
    "firmware": RedfishFirmware,
    "vendor": RedfishVendor,
}
NODE = Node(uuid="7d4a5b6c-0000-4000-8000-000000000002", instance_info={"boot_iso": "http://192.0.2.7/live.iso"})
NOT_EMULATED = ("boot_devices_are_set_and_read_back", "raid_is_made_and_deleted")
"""Rules that the emulator cannot pass.

It does not store whether a boot device is persistent, and it answers a request for the missing storage with an error of
its own.
"""


class TestServed(HardwareTypeConformance, TestCase):
    """The plugin keeps the contract at a service with sessions."""

    hardware_type = RedfishHardware
    interfaces = INTERFACES
    node = NODE
    destructive = True

    def setUp(self) -> None:
        super().setUp()
        options = BMCOptions(Account(*ACCOUNT), fetch_images=False)
        service = RedfishService(2, options=options)
        service.start()
        service.machine(1).inject(FaultPlan.from_json({"set_power": {"effect": "lose"}}))
        self.misbehaving = {"lies": {"redfish_system_id": service.system_path(1)}}
        self.addCleanup(service.stop)
        account = {"redfish_username": ACCOUNT[0], "redfish_password": ACCOUNT[1]}
        self.driver_info = {"redfish_address": service.url, "redfish_system_id": service.system_path(0), **account}


class TestEmulated(HardwareTypeConformance, EmulatorTestCase):
    """The plugin keeps the contract at the emulator of sushy-tools."""

    hardware_type = RedfishHardware
    interfaces = INTERFACES
    node = NODE
    destructive = True
    systems = 1
    rules = tuple(rule for rule in RULES if rule.__name__ not in NOT_EMULATED)

    def setUp(self) -> None:
        super().setUp()
        account = {"redfish_username": ACCOUNT[0], "redfish_password": ACCOUNT[1]}
        self.driver_info = {"redfish_address": self.emulator.url, "redfish_system_id": self.emulator.system_path(0), **account}
