"""Installed hardware types and interfaces, found by their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from baremetal_interfaces.errors import NotFound
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

HARDWARE_TYPES = "baremetal.hardware_types"
"""Entry point group of hardware types."""

INTERFACES = "baremetal.interfaces."
"""Prefix of the entry point groups of interfaces; the kind follows."""


def hardware_type(name: str) -> type[HardwareType]:
    """Return the installed hardware type *name*.

    Raises :class:`~baremetal_interfaces.errors.NotFound` with the names of the installed ones.
    """
    found = _entry_point(HARDWARE_TYPES, name)
    if found is None:
        names = ", ".join(sorted({point.name for point in entry_points(group=HARDWARE_TYPES)})) or "none"
        raise NotFound(f"no installed distribution has the hardware type {name!r}; installed: {names}")
    loaded: type[HardwareType] = found.load()
    return loaded


def best_interfaces(offered_by: type[HardwareType]) -> dict[Kind, type[Interface]]:
    """Return, for each kind, the first implementation in the list of the hardware type that is installed."""
    found = {kind: _best(kind, offered_by.supported(kind)) for kind in Kind}
    return {kind: interface for kind, interface in found.items() if interface is not None}


def _best(kind: Kind, names: tuple[str, ...]) -> type[Interface] | None:
    for name in names:
        found = _entry_point(INTERFACES + kind.value, name)
        if found is not None:
            loaded: type[Interface] = found.load()
            return loaded
    return None


def _entry_point(group: str, name: str) -> EntryPoint | None:
    """Return the entry point *name* of *group*, or None. Raises NotFound if several distributions claim the name."""
    # A distribution that is on the path twice reports its entry points twice.
    points = entry_points(group=group, name=name)
    found = list({(point.dist.name if point.dist else "", point.value): point for point in points}.values())
    if len(found) > 1:
        owners = " and ".join(sorted(point.dist.name if point.dist else point.value for point in found))
        raise NotFound(f"{name!r} in {group} is claimed by {owners}; uninstall one of them")
    return found[0] if found else None
