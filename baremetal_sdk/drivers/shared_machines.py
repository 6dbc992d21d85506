"""Search for nodes that manage the same machine: their BMC has the same address, and they select the same machine there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from baremetal_interfaces import DriverInfo, MachineAddress
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import DriverNotFound

FIELDS = ("uuid", "name", "driver", "driver_info", "owner")
"""The fields of a node that the search reads."""


def find_machine_address(drivers: DriverCatalog, driver: str, driver_info: Mapping[str, Any]) -> MachineAddress | None:
    """Return the address of a node's machine. None if its driver is unknown, or reports no address for *driver_info*."""
    return next(address for address, _ in _iterate_addresses(drivers, [{"driver": driver, "driver_info": driver_info}]))


def find_nodes_of_machine(
    drivers: DriverCatalog, address: MachineAddress, nodes: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield those of *nodes* that manage the machine at *address*. The nodes need the fields in ``FIELDS``."""
    for other, node in _iterate_addresses(drivers, nodes):
        if other is not None and is_same_machine(address, other):
            yield node


def group_by_machine(
    drivers: DriverCatalog, nodes: Iterable[Mapping[str, Any]]
) -> list[tuple[MachineAddress, Sequence[Mapping[str, Any]]]]:
    """Return the machines that more than one of *nodes* manage, with these nodes."""
    by_bmc: dict[str, list[tuple[MachineAddress, Mapping[str, Any]]]] = defaultdict(list)
    for address, node in _iterate_addresses(drivers, nodes):
        if address is not None:
            by_bmc[address.bmc].append((address, node))
    found: list[tuple[MachineAddress, Sequence[Mapping[str, Any]]]] = []
    for bmc, members in by_bmc.items():
        by_machine: dict[str | None, list[Mapping[str, Any]]] = defaultdict(list)
        for address, node in members:
            by_machine[address.machine].append(node)
        if None in by_machine:
            # With a node of the BMC's only machine, all nodes of the BMC are one group.
            by_machine = {None: [node for _, node in members]}
        found += [(MachineAddress(bmc, machine), same) for machine, same in by_machine.items() if len(same) > 1]
    return found


def _iterate_addresses(
    drivers: DriverCatalog, nodes: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[MachineAddress | None, Mapping[str, Any]]]:
    """Yield each node with the address of its machine. The types of a driver are collected once."""
    info_types: dict[str, list[type[DriverInfo]]] = {}
    for node in nodes:
        driver = node["driver"] or ""
        if driver not in info_types:
            info_types[driver] = _list_info_types(drivers, driver)
        found = (info_type.find_machine(node["driver_info"] or {}) for info_type in info_types[driver])
        yield next(filter(None, found), None), node


def _list_info_types(drivers: DriverCatalog, driver: str) -> list[type[DriverInfo]]:
    """Return the types of a driver's ``driver_info``; none of an unknown driver."""
    try:
        return drivers.list_info_types(driver)
    except DriverNotFound:
        return []


def is_same_machine(one: MachineAddress, other: MachineAddress) -> bool:
    """Return whether two addresses are of one machine: a BMC that is used for its only machine has no other."""
    return one.bmc == other.bmc and (one.machine == other.machine or None in (one.machine, other.machine))
