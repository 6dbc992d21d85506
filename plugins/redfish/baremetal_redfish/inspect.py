"""Inspect interface for Redfish: reads hardware facts from the BMC, without booting the machine (out of band)."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InspectedPort, InspectInterface, Inspection, Kind, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.disks import Disk
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.inventory import SystemParts
from baremetal_redfish.machine import borrow_session
from baremetal_redfish.values import drop_none

GIB = 1024**3
_MIN_DISK_BYTES = 4 * GIB
"""Disks up to this size are ignored for ``local_gb``: SD cards and vendors' tools are not for an operating system."""


class RedfishInspect(InspectInterface):
    """Reads processors, memory, disks, network interfaces and accelerators. Facts that a BMC does not report are omitted."""

    info_type = RedfishInfo
    connector = RedfishConnector

    def inspect(self, task: Task) -> Inspection:
        """Read processors, memory, disks, network interfaces, accelerators and trusted platform modules of the machine.

        A part that cannot be read is omitted and logged. A refused login or a busy BMC is an error.
        """
        path = task.info(Kind.INSPECT).system_path
        with borrow_session(task) as session:
            parts = SystemParts.read(session, session.read_document(path), task)
        return Inspection(
            properties=_build_properties(parts),
            ports=_build_ports(parts, task),
            inventory=_build_inventory(parts),
        )


def _build_properties(parts: SystemParts) -> dict[str, Any]:
    sizes = [disk.size for disk in parts.disks if disk.size is not None and disk.size > _MIN_DISK_BYTES]
    return drop_none(
        cpus=parts.cpus,
        memory_mb=parts.memory_mb,
        # Without a root device hint a deployment uses the smallest disk.
        local_gb=min(sizes) // GIB if sizes else None,
        cpu_arch=parts.cpu_arch,
    )


def _build_ports(parts: SystemParts, task: Task) -> tuple[InspectedPort, ...]:
    """Return one port for each MAC address of an Ethernet interface.

    Services list a VLAN as an interface with the address of its parent; such an interface is logged.
    """
    names: dict[str, str | None] = {}
    for nic in parts.nics:
        if nic.address is None or not nic.is_ethernet:
            continue
        if nic.address in names:
            task.log.info("interface %s gets no port: %s has its address %s", nic.name, names[nic.address], nic.address)
        else:
            names[nic.address] = nic.name
    return tuple(InspectedPort(address, name) for address, name in names.items())


def _build_inventory(parts: SystemParts) -> dict[str, Any]:
    """Return the inventory in the format of the Bare Metal API."""
    memory = None if parts.memory_mb is None else {"physical_mb": parts.memory_mb, "total": parts.memory_mb * 1024**2}
    firmware = drop_none(version=parts.bios_version) or None
    vendor = drop_none(manufacturer=parts.manufacturer, product_name=parts.model, serial_number=parts.serial, firmware=firmware)
    cpu = drop_none(count=parts.cpus, architecture=parts.cpu_arch, model_name=parts.cpu_model, frequency=parts.cpu_mhz)
    return drop_none(
        cpu=cpu or None,
        memory=memory,
        interfaces=[
            drop_none(name=nic.name, mac_address=nic.address, has_carrier=nic.has_link, speed_mbps=nic.speed_mbps)
            for nic in parts.nics
        ],
        disks=[_format_disk(disk) for disk in parts.disks],
        physical_disks=[_format_disk(disk) for disk in parts.drives] or None,
        accelerators=[
            drop_none(
                name=item.name,
                type=item.kind,
                vendor=item.vendor,
                model=item.model,
                serial=item.serial,
                firmware_version=item.firmware,
            )
            for item in parts.accelerators
        ]
        or None,
        tpm=[drop_none(type=item.kind, firmware_version=item.firmware, state=item.state) for item in parts.trusted_modules]
        or None,
        system_vendor=vendor or None,
        boot=drop_none(current_boot_mode=parts.boot_mode) or None,
    )


def _format_disk(disk: Disk) -> dict[str, Any]:
    return drop_none(
        name=disk.name,
        size=disk.size,
        model=disk.model,
        vendor=disk.vendor,
        serial=disk.serial,
        rotational=disk.rotational,
        wwn=disk.wwn,
    )
