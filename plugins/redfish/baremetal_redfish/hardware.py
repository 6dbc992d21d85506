"""The hardware type ``redfish``."""

from __future__ import annotations

from baremetal_interfaces import HardwareType


class RedfishHardware(HardwareType):
    """Any machine whose BMC supports Redfish."""

    power = ("redfish",)
    management = ("redfish",)
    boot = ("redfish-virtual-media", "ipxe", "pxe")
    inspect = ("redfish", "no-inspect", "agent")
    bios = ("redfish", "no-bios")
    raid = ("redfish", "no-raid", "agent")
    firmware = ("redfish", "no-firmware")
    vendor = ("redfish", "no-vendor")
