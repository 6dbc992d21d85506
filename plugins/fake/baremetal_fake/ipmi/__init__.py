"""Simulated machines reached as IPMI BMCs on loopback: a test service for clients of IPMI 2.0."""

from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.ipmi.service import IPMIService
from baremetal_fake.ipmi.sessions import AccessOptions

__all__ = ["AccessOptions", "IPMIOptions", "IPMIService", "Sensor"]
