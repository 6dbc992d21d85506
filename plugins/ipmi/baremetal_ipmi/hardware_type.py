"""The hardware type of machines that are driven by IPMI."""

from __future__ import annotations

from baremetal_interfaces import HardwareType


class IPMIHardware(HardwareType):
    """Any machine whose BMC speaks IPMI 2.0 over the network."""

    power = ("ipmitool", "ipmi")
    management = ("ipmitool", "ipmi", "noop")
    boot = ("ipxe", "pxe")
    deploy = ("ramdisk", "direct", "custom-agent")
    inspect = ("no-inspect", "agent")
    vendor = ("ipmitool", "ipmi", "no-vendor")
