"""Creation of an Ironic interface class for a plugin's interface of any kind."""

from __future__ import annotations

from baremetal_interfaces import Interface, Kind
from baremetal_ironic_bridge.access import ConsoleAdapter, RescueAdapter, VendorAdapter
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.admission import admit
from baremetal_ironic_bridge.boot import BootAdapter, DeployAdapter
from baremetal_ironic_bridge.hardware_facts import BIOSAdapter, FirmwareAdapter, InspectAdapter
from baremetal_ironic_bridge.management import ManagementAdapter
from baremetal_ironic_bridge.network import NetworkAdapter, StorageAdapter
from baremetal_ironic_bridge.polling import PollingAdapter
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
"""Interface kind -> its adapter."""


def ironic_interface(bridged: type[Interface], section: str | None = None) -> type[Adapter]:
    """Return a class that offers *bridged* to Ironic, for an entry point of ``ironic.hardware.interfaces.<kind>``.

    *section* is the section of ironic.conf with the plugin's own options; without a section they keep their defaults.
    Raises ``InvalidInput`` with all reasons if Ironic cannot run the interface.
    """
    adapter = ADAPTERS[admit(bridged, section)]
    bases = (adapter,) if bridged.poll is Interface.poll else (adapter, PollingAdapter)
    members = {"bridged": bridged, "section": section, "__doc__": bridged.__doc__, "__module__": bridged.__module__}
    return type(f"Bridged{bridged.__name__}", bases, members)
