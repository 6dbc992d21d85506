"""Simulated machines reached as Redfish BMCs on loopback: a test service for whoever writes a client of Redfish."""

from baremetal_fake.redfish.bmc import BMCOptions
from baremetal_fake.redfish.service import RedfishService

__all__ = ["BMCOptions", "RedfishService"]
