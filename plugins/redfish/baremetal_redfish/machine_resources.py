"""Chassis and further systems that belong to the machine of one system.

The link from a system to its chassis often names one of them only. Accelerator baseboards have systems of their own, which
cannot be reset and belong to the machine whose system can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from baremetal_redfish.links import get_nested, get_objects, get_path
from baremetal_redfish.resource_reader import ResourceReader

_MAX_SYSTEMS = 8
"""Number of systems up to which a service is searched for the parts of a machine. Larger ones serve many machines."""
_RESET = "#ComputerSystem.Reset"
_GUEST_TYPES = frozenset({"DPU", "OS", "VirtualMachine"})
"""Types of systems that are parts of another system's machine."""


class MachineResources(NamedTuple):
    """The documents of the chassis of a machine, and of the further systems that are parts of it."""

    chassis: tuple[dict[str, Any], ...]
    systems: tuple[dict[str, Any], ...]


def find_machine_resources(reader: ResourceReader, system: Mapping[str, Any]) -> MachineResources:
    """Return the chassis and further systems of the machine of *system*, the document of a system.

    If the service has no other system that can be reset, all its chassis and systems belong to the machine. Otherwise the
    chassis are those that the system links to, those that link to the system, and those that these contain.
    """
    linked = list(reader.follow_links(get_nested(system, "Links", "Chassis")))
    references = reader.member_references(reader.root.get("Systems"))
    if len(references) > _MAX_SYSTEMS:
        return MachineResources(tuple(_add_contained(reader, linked, system)), ())
    others = [other for other in reader.follow_links(references) if not _is_same(other, system)]
    every = list(reader.members(reader.root.get("Chassis")))
    if not others or (_is_machine(system) and not any(map(_is_machine, others))):
        return MachineResources(tuple(_merge(linked, every)), tuple(others))
    mine = [chassis for chassis in every if get_path(system) in _list_systems(chassis)]
    return MachineResources(tuple(_add_contained(reader, _merge(linked, mine), system)), ())


def _add_contained(
    reader: ResourceReader, found: Sequence[dict[str, Any]], system: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield chassis with those that they contain, except for chassis of other systems."""
    waiting, seen = list(found), set()
    while waiting:
        chassis = waiting.pop(0)
        path = get_path(chassis)
        if path in seen:
            continue
        seen.add(path)
        yield chassis
        for inner in reader.follow_links(get_nested(chassis, "Links", "Contains")):
            owners = _list_systems(inner)
            if not owners or get_path(system) in owners:
                waiting.append(inner)


def _merge(*lists: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the documents of all lists, each path once."""
    found: dict[str, dict[str, Any]] = {}
    for document in (document for documents in lists for document in documents):
        found.setdefault(get_path(document) or f"#{len(found)}", document)
    return list(found.values())


def _is_machine(system: Mapping[str, Any]) -> bool:
    """Return whether a system can be reset by itself and is no part of another system's machine."""
    return get_nested(system, "Actions", _RESET) is not None and system.get("SystemType") not in _GUEST_TYPES


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (get_path(one) or "").rstrip("/") == (get_path(other) or "").rstrip("/")


def _list_systems(chassis: Mapping[str, Any]) -> set[str | None]:
    return {(get_path(link) or "").rstrip("/") for link in get_objects(get_nested(chassis, "Links", "ComputerSystems"))}
