"""The hardware types ``redfish`` and ``idrac``."""

from __future__ import annotations

from baremetal_interfaces import HardwareType


class RedfishHardware(HardwareType):
    """Any machine whose BMC supports Redfish."""

    power = ("redfish",)
    management = ("redfish", "noop")
    boot = ("redfish-virtual-media", "ipxe", "pxe")
    inspect = ("redfish", "no-inspect", "agent")
    bios = ("redfish", "no-bios")
    raid = ("redfish", "no-raid", "agent")
    firmware = ("redfish", "no-firmware")
    rescue = ("no-rescue", "agent")
    vendor = ("redfish", "no-vendor")


class IDRACHardware(HardwareType):
    """Dell machines whose iDRAC supports Redfish. The ``idrac-`` interfaces are those of Redfish with Ironic's names."""

    power = ("idrac-redfish", "redfish")
    management = ("idrac-redfish",)
    boot = ("idrac-redfish-virtual-media", "ipxe", "pxe")
    inspect = ("idrac-redfish", "no-inspect", "agent")
    bios = ("idrac-redfish", "redfish", "no-bios")
    raid = ("idrac-redfish", "no-raid", "agent")
    firmware = ("redfish", "no-firmware")
    rescue = ("no-rescue", "agent")
    vendor = ("idrac-redfish", "redfish", "no-vendor")
