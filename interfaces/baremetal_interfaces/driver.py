"""The driver of a node: its thirteen interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.kinds.bios import BIOSInterface
from baremetal_interfaces.kinds.boot import BootInterface
from baremetal_interfaces.kinds.console import ConsoleInterface
from baremetal_interfaces.kinds.deploy import DeployInterface
from baremetal_interfaces.kinds.firmware import FirmwareInterface
from baremetal_interfaces.kinds.inspect import InspectInterface
from baremetal_interfaces.kinds.management import ManagementInterface
from baremetal_interfaces.kinds.network import NetworkInterface
from baremetal_interfaces.kinds.power import PowerInterface
from baremetal_interfaces.kinds.raid import RAIDInterface
from baremetal_interfaces.kinds.rescue import RescueInterface
from baremetal_interfaces.kinds.storage import StorageInterface
from baremetal_interfaces.kinds.vendor import VendorInterface
from baremetal_interfaces.values import Kind


@dataclass(frozen=True)
class Driver:
    """The interfaces that drive one node, one for each kind. All nodes that use an interface share one instance of it."""

    hardware_type: str
    power: PowerInterface
    management: ManagementInterface
    boot: BootInterface
    deploy: DeployInterface
    inspect: InspectInterface
    bios: BIOSInterface
    raid: RAIDInterface
    firmware: FirmwareInterface
    console: ConsoleInterface
    rescue: RescueInterface
    network: NetworkInterface
    storage: StorageInterface
    vendor: VendorInterface

    def __getitem__(self, kind: Kind | str) -> Interface:
        """Return the interface of *kind*; raise ``ValueError`` for an unknown kind."""
        interface: Interface = getattr(self, str(Kind(kind)))
        return interface

    def __iter__(self) -> Iterator[tuple[Kind, Interface]]:
        """Iterate over kinds and interfaces, in the order of :class:`~baremetal_interfaces.values.Kind`."""
        for kind in Kind:
            yield kind, self[kind]
