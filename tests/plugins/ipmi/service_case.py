"""Simulated BMC for each test, and tasks on its machine."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_fake.ipmi import IPMIOptions, IPMIService
from baremetal_interfaces import LocalTask, Node
from baremetal_ipmi import IPMIConnector, IPMIManagement, IPMIPower, IPMIVendor
from baremetal_sdk.drivers.builtin.network_boot import IPXEBoot
from baremetal_sdk.drivers.builtin.ramdisk import RamdiskDeploy

INTERFACES = {"power": IPMIPower, "management": IPMIManagement, "boot": IPXEBoot, "deploy": RamdiskDeploy, "vendor": IPMIVendor}
"""Interface classes by kind, for the conformance kit."""


class BMCTestCase(TestCase):
    """Test case with simulated BMCs, whose traits are unknown at the start of each test."""

    def setUp(self) -> None:
        super().setUp()
        IPMIConnector.traits.clear()

    def serve(self, **options: Any) -> IPMIService:
        """Return a running service with one BMC."""
        service = IPMIService(1, options=IPMIOptions(**options))
        service.start()
        self.addCleanup(service.stop)
        return service

    def task(self, service: IPMIService, node: Node | None = None, timeout: float = 20.0, **changes: Any) -> LocalTask:
        """Return a task on the machine; *changes* replace options of its driver_info."""
        interfaces = {"power": IPMIPower(), "management": IPMIManagement(), "vendor": IPMIVendor()}
        return LocalTask(interfaces, {**service.driver_info(), **changes}, node=node, timeout=timeout, poll_interval=0.02)
