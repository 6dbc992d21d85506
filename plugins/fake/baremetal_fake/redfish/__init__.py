"""Simulated machines reached as Redfish BMCs on loopback: a test service for clients of Redfish."""

from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.service import RedfishService

__all__ = ["BMCOptions", "RedfishService"]
