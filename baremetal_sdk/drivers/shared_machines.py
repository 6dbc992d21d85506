"""Search for nodes that manage the same machine: their BMC has the same address, and they select the same machine there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from baremetal_interfaces import MachineAddress
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import DriverNotFound

FIELDS = ("uuid", "name", "driver", "driver_info", "owner")
"""The fields of a node that the search reads."""


def find_machine_address(drivers: DriverCatalog, driver: str, driver_info: Mapping[str, Any]) -> MachineAddress | None:
    """Return the address of a node's machine. None if its driver is unknown, or reports no address for *driver_info*."""
    try:
        info_types = drivers.list_info_types(driver)
    except DriverNotFound:
        return None
    return next(filter(None, (info_type.find_machine(driver_info) for info_type in info_types)), None)


def find_nodes_of_machine(
    drivers: DriverCatalog, address: MachineAddress, nodes: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield those of *nodes* that manage the machine at *address*. The nodes need the fields in ``FIELDS``."""
    for node in nodes:
        other = find_machine_address(drivers, node["driver"] or "", node["driver_info"] or {})
        if other is not None and is_same_machine(address, other):
            yield node


def group_by_machine(
    drivers: DriverCatalog, nodes: Iterable[Mapping[str, Any]]
) -> list[tuple[MachineAddress, Sequence[Mapping[str, Any]]]]:
    """Return the machines that more than one of *nodes* manage, with these nodes."""
    by_bmc: dict[str, list[tuple[MachineAddress, Mapping[str, Any]]]] = defaultdict(list)
    for node in nodes:
        address = find_machine_address(drivers, node["driver"] or "", node["driver_info"] or {})
        if address is not None:
            by_bmc[address.bmc].append((address, node))
    found: list[tuple[MachineAddress, Sequence[Mapping[str, Any]]]] = []
    for members in by_bmc.values():
        for machine in dict.fromkeys(address.machine for address, _ in members):
            address = MachineAddress(members[0][0].bmc, machine)
            same = [node for other, node in members if is_same_machine(address, other)]
            # With a node of the BMC's only machine, all nodes of the BMC are one group.
            is_part = machine is not None and any(other.machine is None for other, _ in members)
            if len(same) > 1 and not is_part:
                found.append((address, same))
    return found


def is_same_machine(one: MachineAddress, other: MachineAddress) -> bool:
    """Return whether two addresses are of one machine: a BMC that is used for its only machine has no other."""
    return one.bmc == other.bmc and (one.machine == other.machine or None in (one.machine, other.machine))
