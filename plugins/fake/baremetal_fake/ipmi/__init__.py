"""IPMI test service: simulated machines behind simulated IPMI 2.0 BMCs on loopback, for tests of IPMI clients."""

from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.profiles import load_profile, profile_names
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.ipmi.service import IPMIService
from baremetal_fake.ipmi.sessions import AccessOptions

__all__ = ["AccessOptions", "IPMIOptions", "IPMIService", "Sensor", "load_profile", "profile_names"]
