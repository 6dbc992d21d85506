"""Installed hardware types and interfaces, found by their entry points."""

from __future__ import annotations

from collections.abc import Iterator

from baremetal_interfaces.errors import NotFound
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.plugins import (
    GROUPS,
    HARDWARE_TYPES,
    INTERFACES,
    METADATA_FILE,
    LoadFailure,
    Plugins,
    describe_error,
    find_plugins,
)
from baremetal_interfaces.values import Kind


def load(name: str) -> tuple[type[HardwareType], dict[Kind, Interface]]:
    """Return the installed hardware type *name*, and for each kind the first implementation in its list that is installed.

    Raises :class:`~baremetal_interfaces.errors.NotFound` with all faults of the hardware type, of its interfaces and of their
    distribution, or with the names of the installed hardware types.
    """
    plugins = find_plugins()
    faults = list(_list_faults(name, plugins))
    if faults:
        raise NotFound("; ".join(dict.fromkeys(faults)))
    if name not in plugins.hardware_types:
        names = ", ".join(sorted(known for group, known in plugins.owners if group == HARDWARE_TYPES)) or "none"
        raise NotFound(f"no installed distribution has the hardware type {name!r}; installed: {names}")
    found = plugins.hardware_types[name]
    best = {kind: _best(kind, found.supported(kind), plugins) for kind in Kind}
    return found, {kind: _create(interface) for kind, interface in best.items() if interface is not None}


def _list_faults(name: str, plugins: Plugins) -> Iterator[str]:
    found = plugins.hardware_types.get(name)
    owner = plugins.owners.get((HARDWARE_TYPES, name))
    for failure in plugins.failures:
        if owner is not None:
            concerned = owner in failure.distribution.split(" and ")
        else:
            concerned = failure.name == name and failure.group in (HARDWARE_TYPES, METADATA_FILE)
            concerned = concerned or (failure.name == name and failure.group not in GROUPS)
        if concerned or (found is not None and _is_missed(failure, found, plugins)):
            yield f"{failure.name!r} of {failure.group}: {failure.reason}"


def _is_missed(failure: LoadFailure, found: type[HardwareType], plugins: Plugins) -> bool:
    """Return whether the failure is of an interface that the hardware type lists, and that is therefore missing."""
    if failure.group not in GROUPS or failure.group == HARDWARE_TYPES:
        return False
    kind = Kind(failure.group.removeprefix(INTERFACES))
    return failure.name in found.supported(kind) and failure.name not in plugins.interfaces[kind]


def _best(kind: Kind, names: tuple[str, ...], plugins: Plugins) -> type[Interface] | None:
    return next((plugins.interfaces[kind][name] for name in names if name in plugins.interfaces[kind]), None)


def _create(interface: type[Interface]) -> Interface:
    """Return an instance with a connector that can be created. Raises NotFound if a constructor fails."""
    try:
        created = interface()
        if created.connector is not None:
            created.connector()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        raise NotFound(f"{interface.__name__} or its connector cannot be created: {describe_error(exc)}") from exc
    return created
