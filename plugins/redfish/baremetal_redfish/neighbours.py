"""Which managers and which chassis belong to a system, at services that have several of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from baremetal_redfish.links import below, follow, listed, members, path_of, root
from baremetal_redfish.session import RedfishSession


class _Kind(NamedTuple):
    """How a system names its neighbours, the collection of all of them, and how each names its systems."""

    from_system: tuple[str, ...]
    collection: str
    to_system: str


# Services link by the first name, as the schema has it, or by the name of the collection.
_MANAGERS = _Kind(("ManagedBy", "Managers"), "Managers", "ManagerForServers")
_CHASSIS = _Kind(("Chassis",), "Chassis", "ComputerSystems")


def managers_of(session: RedfishSession, system: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The managers of *system*, the first one first."""
    return _neighbours(session, system, _MANAGERS)


def chassis_of(session: RedfishSession, system: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chassis that *system* is in."""
    return _neighbours(session, system, _CHASSIS)


def _neighbours(session: RedfishSession, system: Mapping[str, Any], kind: _Kind) -> list[dict[str, Any]]:
    """Those that the system links to; else those that link to the system; else the only one that there is."""
    for name in kind.from_system:
        linked = [follow(session, one) for one in listed(below(system, "Links", name))]
        found = [one for one in linked if one is not None]
        if found:
            return found
    every = list(members(session, root(session).get(kind.collection)))
    mine = [one for one in every if _same(path_of(system)) in _linked(one, kind)]
    silent = [one for one in every if not _linked(one, kind)]
    return mine or (silent if len(every) == 1 else [])


def _linked(document: Mapping[str, Any], kind: _Kind) -> set[str]:
    return {_same(path_of(link)) for link in listed(below(document, "Links", kind.to_system))}


def _same(path: str | None) -> str:
    return (path or "").rstrip("/")
