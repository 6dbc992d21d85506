"""Conformance of the IPMI plugin at OpenIPMI's simulator and at the test service."""

from __future__ import annotations

from baremetal_fake import Account, FaultPlan
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService
from baremetal_interfaces.conformance import RULES, HardwareTypeConformance
from baremetal_ipmi import IPMIHardware
from tests.plugins.ipmi.base import SimulatorTestCase
from tests.plugins.ipmi.service_case import INTERFACES


class TestConformance(HardwareTypeConformance, SimulatorTestCase):
    """All rules of the kit at the simulator, except one."""

    hardware_type = IPMIHardware
    destructive = True
    # The simulator accepts the Chassis Identify command and answers it with an unspecific error.
    rules = tuple(rule for rule in RULES if rule.__name__ != "indicators_are_set_and_read_back")
    interfaces = INTERFACES

    def setUp(self) -> None:
        super().setUp()
        self.driver_info = self.sim.driver_info


class TestServed(HardwareTypeConformance):
    """All rules of the kit at a service with one machine that accepts power commands without an effect."""

    hardware_type = IPMIHardware
    interfaces = INTERFACES
    destructive = True

    def setUp(self) -> None:
        super().setUp()
        service = IPMIService(2, options=IPMIOptions(AccessOptions(Account("admin", "s3same/open"))))
        service.start()
        self.addCleanup(service.stop)
        service.machine(1).inject(FaultPlan.from_json({"set_power": {"effect": "lose"}}))
        self.driver_info = service.driver_info(0)
        self.misbehaving = {"lies": service.driver_info(1)}
