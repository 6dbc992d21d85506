"""Parser for the hardware inventories that agents report. The result is an ``Inspection`` of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_interfaces import InspectedPort, Inspection, InvalidInput, Problem
from baremetal_sdk.provisioning.inspection_limits import MAX_INTERFACES, MAX_PORTS, find_property_problem, require_json

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
_GIB = 1024**3
_SOURCES = {
    "cpus": "inventory/cpu/count",
    "cpu_arch": "inventory/cpu/architecture",
    "memory_mb": "inventory/memory/physical_mb",
    "local_gb": "inventory/disks",
}
"""Property -> the place of its value in an inventory."""
_MIN_ROOT_DISK_BYTES = 4 * _GIB
"""Size in bytes of the smallest disk that can hold an operating system."""


def parse_inventory(inventory: Mapping[str, Any]) -> Inspection:
    """Return the properties, ports and inventory of a machine from an agent's *inventory*.

    Raises ``InvalidInput``, which names the place of the wrong value, if the inventory has no network interface with a MAC
    address or too many of them, or if a value cannot be stored.
    """
    ports = tuple(_ports(inventory))
    if not ports:
        raise InvalidInput([Problem("inventory/interfaces", "no interface has a MAC address", "set mac_address for each")])
    if len(ports) > MAX_PORTS:
        raise InvalidInput([Problem("inventory/interfaces", f"has {len(ports)} addresses", f"send {MAX_PORTS} or fewer")])
    require_json(inventory, "inventory")
    properties = _properties(inventory)
    problem = find_property_problem(properties, _SOURCES)
    if problem is not None:
        raise InvalidInput([problem])
    return Inspection(properties=properties, ports=ports, inventory=dict(inventory))


def mac_addresses(inventory: Mapping[str, Any]) -> list[str]:
    """Return the MAC addresses of the network interfaces in an agent's *inventory*, in lower case."""
    return [port.address for port in _ports(inventory)]


def _ports(inventory: Mapping[str, Any]) -> list[InspectedPort]:
    booted = str(_part(inventory, "boot").get("pxe_interface") or "").lower().replace("-", ":")
    # PXELINUX puts the hardware type before the address: "01-52-54-00-12-34-56".
    booted = booted[-17:]
    found: dict[str, InspectedPort] = {}
    interfaces = inventory.get("interfaces")
    if isinstance(interfaces, list) and len(interfaces) > MAX_INTERFACES:
        wrong = f"has {len(interfaces)} entries"
        raise InvalidInput([Problem("inventory/interfaces", wrong, f"send {MAX_INTERFACES} or fewer")])
    for interface in interfaces if isinstance(interfaces, list) else ():
        address = str(interface.get("mac_address") or "").lower() if isinstance(interface, Mapping) else ""
        if _MAC.fullmatch(address):
            name = interface.get("name")
            enabled = address == booted if booted else None
            found[address] = InspectedPort(address, name if isinstance(name, str) else None, enabled)
    return list(found.values())


def _properties(inventory: Mapping[str, Any]) -> dict[str, Any]:
    cpu, memory = _part(inventory, "cpu"), _part(inventory, "memory")
    properties = {
        "cpus": cpu.get("count"),
        "cpu_arch": cpu.get("architecture"),
        "memory_mb": memory.get("physical_mb"),
        "local_gb": _root_gb(inventory.get("disks")),
    }
    return {name: value for name, value in properties.items() if value is not None}


def _root_gb(disks: Any) -> int | None:
    """Return the size in GiB of the smallest disk of 4 GiB or more, minus 1 GiB for the partition table.

    Return None if no disk is large enough.
    """
    listed: Sequence[Any] = disks if isinstance(disks, list) else ()
    sizes = [disk["size"] for disk in listed if isinstance(disk, Mapping) and isinstance(disk.get("size"), int)]
    large = [size for size in sizes if size >= _MIN_ROOT_DISK_BYTES]
    return min(large) // _GIB - 1 if large else None


def _part(inventory: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = inventory.get(name)
    return part if isinstance(part, Mapping) else {}
