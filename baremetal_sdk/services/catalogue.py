"""Catalog of the service classes that define the RPC methods of a conductor.

Processes without a conductor, such as API servers, read the methods and their parameters from these classes.
"""

from __future__ import annotations

from baremetal_sdk.services.agents import Agents
from baremetal_sdk.services.allocations import Allocations
from baremetal_sdk.services.console import Consoles
from baremetal_sdk.services.drivers import DriverCatalogue
from baremetal_sdk.services.explanations import Explanations
from baremetal_sdk.services.indicators import Indicators, Interrupts
from baremetal_sdk.services.management import Management
from baremetal_sdk.services.nodes import Nodes
from baremetal_sdk.services.ports import Ports
from baremetal_sdk.services.power import Power
from baremetal_sdk.services.provisioning import Provisioning
from baremetal_sdk.services.raid import RAID
from baremetal_sdk.services.records import Records
from baremetal_sdk.services.traits import NodeTraits
from baremetal_sdk.services.vendor import VendorPassthru
from baremetal_sdk.services.vifs import VIFs
from baremetal_sdk.services.virtual_media import VirtualMedia

SERVICES: tuple[type, ...] = (
    Agents,
    Allocations,
    Consoles,
    DriverCatalogue,
    Explanations,
    Indicators,
    Interrupts,
    Management,
    NodeTraits,
    Nodes,
    Ports,
    Power,
    Provisioning,
    RAID,
    Records,
    VIFs,
    VendorPassthru,
    VirtualMedia,
)
