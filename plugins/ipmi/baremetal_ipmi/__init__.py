"""Driver plugin for machines with IPMI 2.0."""

from baremetal_ipmi.connector import IPMIConnector
from baremetal_ipmi.hardware_type import IPMIHardware
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.management import IPMIManagement
from baremetal_ipmi.power import IPMIPower
from baremetal_ipmi.vendor import IPMIVendor

__all__ = ["IPMIConnector", "IPMIHardware", "IPMIInfo", "IPMIManagement", "IPMIPower", "IPMIVendor"]
