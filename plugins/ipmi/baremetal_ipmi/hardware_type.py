"""The hardware type ``ipmi``."""

from __future__ import annotations

from baremetal_interfaces import HardwareType


class IPMIHardware(HardwareType):
    """Any machine whose BMC supports IPMI 2.0 over a network."""

    power = ("ipmitool", "ipmi")
    management = ("ipmitool", "ipmi", "noop")
    boot = ("ipxe", "pxe")
    deploy = ("ramdisk", "direct", "custom-agent")
    inspect = ("no-inspect", "agent")
    raid = ("no-raid", "agent")
    rescue = ("no-rescue", "agent")
    vendor = ("ipmitool", "ipmi", "no-vendor")
