"""Simulated bare-metal machines for tests: driven in the process, or through simulated Redfish or IPMI BMCs on loopback."""

from baremetal_fake.bmc_account import Account, BMCCounters
from baremetal_fake.faults import Effect, Fault, FaultPlan
from baremetal_fake.hardware import FakeHardware
from baremetal_fake.inventory import NIC, Disk, Inventory
from baremetal_fake.machine import Boot, Command, Machine, Power, Timings
from baremetal_fake.rack import DEFAULT_RACK, Rack, share, shared_rack

__all__ = [
    "DEFAULT_RACK",
    "NIC",
    "Account",
    "BMCCounters",
    "Boot",
    "Command",
    "Disk",
    "Effect",
    "FakeHardware",
    "Fault",
    "FaultPlan",
    "Inventory",
    "Machine",
    "Power",
    "Rack",
    "Timings",
    "share",
    "shared_rack",
]
