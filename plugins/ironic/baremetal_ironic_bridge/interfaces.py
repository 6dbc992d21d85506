"""From an interface of a plugin to one of Ironic's, whatever its kind."""

from __future__ import annotations

from baremetal_interfaces import Interface, Kind
from baremetal_ironic_bridge.access import ConsoleAdapter, RescueAdapter, VendorAdapter
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.admission import admit
from baremetal_ironic_bridge.boot import BootAdapter, DeployAdapter
from baremetal_ironic_bridge.findings import BIOSAdapter, FirmwareAdapter, InspectAdapter
from baremetal_ironic_bridge.management import ManagementAdapter
from baremetal_ironic_bridge.network import NetworkAdapter, StorageAdapter
from baremetal_ironic_bridge.polling import Polling
from baremetal_ironic_bridge.power import PowerAdapter
from baremetal_ironic_bridge.raid import RAIDAdapter

ADAPTERS: dict[Kind, type[Adapter]] = {
    Kind.POWER: PowerAdapter,
    Kind.MANAGEMENT: ManagementAdapter,
    Kind.BOOT: BootAdapter,
    Kind.DEPLOY: DeployAdapter,
    Kind.INSPECT: InspectAdapter,
    Kind.BIOS: BIOSAdapter,
    Kind.RAID: RAIDAdapter,
    Kind.FIRMWARE: FirmwareAdapter,
    Kind.CONSOLE: ConsoleAdapter,
    Kind.RESCUE: RescueAdapter,
    Kind.NETWORK: NetworkAdapter,
    Kind.STORAGE: StorageAdapter,
    Kind.VENDOR: VendorAdapter,
}
"""Kind -> what stands for it in Ironic."""


def ironic_interface(bridged: type[Interface], section: str | None = None) -> type[Adapter]:
    """The class that offers *bridged* to Ironic: let an entry point of ``ironic.hardware.interfaces.<kind>`` name it.

    *section* is the section of ironic.conf that holds the plugin's own options; without one they keep their defaults.
    Raises ``InvalidInput`` with everything that Ironic has no place for, so that what cannot work is not loaded.
    """
    adapter = ADAPTERS[admit(bridged, section)]
    bases = (adapter,) if bridged.poll is Interface.poll else (adapter, Polling)
    members = {"bridged": bridged, "section": section, "__doc__": bridged.__doc__, "__module__": bridged.__module__}
    return type(f"Bridged{bridged.__name__}", bases, members)
