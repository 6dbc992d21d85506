"""Inspection by what the BMC tells of its system, without booting it."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InspectedPort, InspectInterface, Inspection, Kind, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.inventory import SystemParts, known
from baremetal_redfish.machine import borrowed

GIB = 1024**3
_SMALLEST_DISK = 4 * GIB
"""A smaller one is not what an operating system is installed on (an SD card, a vendor's tools)."""


class RedfishInspect(InspectInterface):
    """Reads processors, memory, disks and network interfaces. What a BMC does not tell is left out."""

    info_type = RedfishInfo
    connector = RedfishConnector

    def inspect(self, task: Task) -> Inspection:
        """All at once; a part of the system that cannot be read is left out, and a line of the log says so."""
        path = task.info(Kind.INSPECT).system_path
        with borrowed(task) as session:
            parts = SystemParts.read(session, session.document(path), task)
        return Inspection(
            properties=_properties(parts),
            ports=_ports(parts),
            inventory=_inventory(parts),
        )


def _properties(parts: SystemParts) -> dict[str, Any]:
    sizes = [disk.size for disk in parts.disks if disk.size is not None and disk.size > _SMALLEST_DISK]
    return known(
        cpus=parts.cpus,
        memory_mb=parts.memory_mb,
        # Of several disks the smallest is the one that is deployed to, where nothing else is said.
        local_gb=min(sizes) // GIB if sizes else None,
        cpu_arch=parts.cpu_arch,
    )


def _ports(parts: SystemParts) -> tuple[InspectedPort, ...]:
    """One for each address; services list a VLAN as an interface of its own with the address of the one below it."""
    names: dict[str, str | None] = {}
    for nic in parts.nics:
        if nic.address is not None:
            names.setdefault(nic.address, nic.name)
    return tuple(InspectedPort(address, name) for address, name in names.items())


def _inventory(parts: SystemParts) -> dict[str, Any]:
    """The inventory in the shape that clients of the Bare Metal API read."""
    memory = None if parts.memory_mb is None else {"physical_mb": parts.memory_mb, "total": parts.memory_mb * 1024**2}
    firmware = known(version=parts.bios_version) or None
    vendor = known(manufacturer=parts.manufacturer, product_name=parts.model, serial_number=parts.serial, firmware=firmware)
    cpu = known(count=parts.cpus, architecture=parts.cpu_arch, model_name=parts.cpu_model, frequency=parts.cpu_mhz)
    return known(
        cpu=cpu or None,
        memory=memory,
        interfaces=[
            known(name=nic.name, mac_address=nic.address, has_carrier=nic.linked, speed_mbps=nic.speed_mbps) for nic in parts.nics
        ],
        disks=[
            known(
                name=disk.name,
                size=disk.size,
                model=disk.model,
                vendor=disk.vendor,
                serial=disk.serial,
                rotational=disk.rotational,
            )
            for disk in parts.disks
        ],
        system_vendor=vendor or None,
        boot=known(current_boot_mode=parts.boot_mode) or None,
    )
