"""Redfish test service: simulated machines behind simulated Redfish BMCs on loopback, for tests of Redfish clients."""

from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.service import RedfishService

__all__ = ["BMCOptions", "RedfishService"]
