"""Ironic hardware type and interfaces of the redfish plugin, which Ironic's entry points name.

Its own options are in the section ``[contract-redfish]``.
"""

from __future__ import annotations

from baremetal_ironic_bridge.hardware import hardware_type
from baremetal_ironic_bridge.interfaces import ironic_interface
from baremetal_redfish import bios, boot, firmware, inspect, management, power, raid, vendor

SECTION = "contract-redfish"

RedfishPower = ironic_interface(power.RedfishPower, SECTION)
RedfishManagement = ironic_interface(management.RedfishManagement, SECTION)
RedfishBoot = ironic_interface(boot.RedfishVirtualMediaBoot, SECTION)
RedfishInspect = ironic_interface(inspect.RedfishInspect, SECTION)
RedfishBIOS = ironic_interface(bios.RedfishBIOS, SECTION)
RedfishRAID = ironic_interface(raid.RedfishRAID, SECTION)
RedfishFirmware = ironic_interface(firmware.RedfishFirmware, SECTION)
RedfishVendor = ironic_interface(vendor.RedfishVendor, SECTION)

RedfishHardware = hardware_type(
    SECTION,
    RedfishPower,
    RedfishManagement,
    RedfishBoot,
    RedfishInspect,
    RedfishBIOS,
    RedfishRAID,
    RedfishFirmware,
    RedfishVendor,
)
"""Hardware type of the redfish plugin."""
