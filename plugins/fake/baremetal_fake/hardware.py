"""Hardware type ``fake-hardware``, which drives simulated machines in the process."""

from __future__ import annotations

from baremetal_interfaces import HardwareType


class FakeHardware(HardwareType):
    """Hardware type of simulated machines in the process, for tests and demonstrations of a service."""

    power = ("fake", "fake-bmc")
    management = ("fake", "fake-bmc", "noop")
    boot = ("fake", "ipxe", "pxe")
    deploy = ("fake", "ramdisk", "direct", "custom-agent")
    inspect = ("fake", "no-inspect", "agent")
    bios = ("fake", "no-bios")
    raid = ("fake", "no-raid", "agent")
    firmware = ("fake", "no-firmware")
    console = ("fake", "no-console")
    rescue = ("fake", "no-rescue", "agent")
    network = ("noop",)
    storage = ("fake", "noop")
    vendor = ("fake", "no-vendor")
