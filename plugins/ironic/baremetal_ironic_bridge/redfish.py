"""The redfish plugin in Ironic."""

from __future__ import annotations

from baremetal_ironic_bridge.hardware import hardware_type
from baremetal_ironic_bridge.management import management_interface
from baremetal_ironic_bridge.power import power_interface
from baremetal_redfish import management, power

RedfishPower = power_interface(power.RedfishPower)
"""Its power interface."""

RedfishManagement = management_interface(management.RedfishManagement)
"""Its management interface."""

RedfishHardware = hardware_type("contract-redfish", RedfishPower, RedfishManagement)
"""Its hardware type."""
