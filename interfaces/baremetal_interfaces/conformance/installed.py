"""Finds a hardware type and its interfaces among the installed distributions, by their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from baremetal_interfaces.errors import NotFound
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

HARDWARE_TYPES = "baremetal.hardware_types"
INTERFACES = "baremetal.interfaces."


def hardware_type(name: str) -> type[HardwareType]:
    """The installed hardware type of that *name*.

    Raises :class:`~baremetal_interfaces.errors.NotFound`, which names those that there are.
    """
    found = _entry_point(HARDWARE_TYPES, name)
    if found is None:
        names = ", ".join(sorted({one.name for one in entry_points(group=HARDWARE_TYPES)})) or "none"
        raise NotFound(f"no installed distribution has the hardware type {name!r}; installed: {names}")
    loaded: type[HardwareType] = found.load()
    return loaded


def best_interfaces(offered_by: type[HardwareType]) -> dict[Kind, type[Interface]]:
    """For each kind the first implementation, in the order of the hardware type, that is installed."""
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
    """The one entry point of that *name*; two distributions that claim it are refused by both names."""
    found = list({(one.dist.name if one.dist else "", one.value): one for one in entry_points(group=group, name=name)}.values())
    if len(found) > 1:
        owners = " and ".join(sorted(one.dist.name if one.dist else one.value for one in found))
        raise NotFound(f"{name!r} in {group} is claimed by {owners}; uninstall one of them")
    return found[0] if found else None
