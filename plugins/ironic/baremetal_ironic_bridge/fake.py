"""The fake plugin in Ironic."""

from __future__ import annotations

from baremetal_fake.interfaces import management, power
from baremetal_ironic_bridge.hardware import hardware_type
from baremetal_ironic_bridge.management import management_interface
from baremetal_ironic_bridge.power import power_interface

FakePower = power_interface(power.FakePower)
"""Its power interface."""

FakeManagement = management_interface(management.FakeManagement)
"""Its management interface."""

FakeHardware = hardware_type("contract-fake", FakePower, FakeManagement)
"""Its hardware type."""
