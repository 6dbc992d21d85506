"""Firmware of a machine as its BMC lists it: versions, and the item that an update is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sushy.exceptions

from baremetal_interfaces import InvalidInput, Problem
from baremetal_redfish.links import follow, get_nested, get_objects, get_path, get_text, iterate_members, read_root
from baremetal_redfish.related_resources import find_managers
from baremetal_redfish.session import RedfishSession

BIOS, BMC = "bios", "bmc"
_MAX_NAMED_ITEMS = 24
"""Number of items that an error names."""
# An iDRAC lists a component once for each state of its versions, and the version is part of the identifier.
_DELL_IDENTIFIER = re.compile(r"(Installed|Current|Previous|Available|Rollback)-(\d+)-.*?__(.+)\Z")


class FirmwareItem(NamedTuple):
    """Item of the firmware inventory. *key* stays the same when the version changes; *is_spare* means a version not in use."""

    path: str
    identifier: str
    name: str
    version: str | None
    is_updateable: bool
    is_spare: bool
    key: str


class FirmwareInventory(NamedTuple):
    """Firmware of one system: the versions of its BIOS and its manager, and the items of the inventory.

    *manager_names* are the managers between which the BMC's own cannot be told; empty if it is known.
    """

    system: Mapping[str, Any]
    manager: Mapping[str, Any]
    manager_names: tuple[str, ...]
    items: tuple[FirmwareItem, ...]

    @property
    def versions(self) -> dict[str, str | None]:
        """The versions of all components, by name."""
        found: dict[str, str | None] = {}
        for component, version in ((BIOS, self.system.get("BiosVersion")), (BMC, self.manager.get("FirmwareVersion"))):
            if get_text(version):
                found[component] = get_text(version)
        for item in self.items:
            found.setdefault(item.identifier, item.version)
        return found

    def find_versions(self, component: str) -> list[str]:
        """Return everything that tells the version of *component*, in a form that a step can store and compare."""
        named = {BIOS: self.system.get("BiosVersion"), BMC: self.manager.get("FirmwareVersion")}.get(component)
        keys = {item.key for item in _find_candidates(self.items, component)}
        keys |= {component} if component not in (BIOS, BMC) else set()
        matching = (f"{item.path.rpartition('/')[2]} {item.version}" for item in self.items if item.key in keys)
        return sorted([*([named] if isinstance(named, str) else []), *matching])


def read_inventory(session: RedfishSession, system: Mapping[str, Any]) -> FirmwareInventory:
    """Read the firmware of *system*, without items that belong to other systems."""
    manager, names = _choose_manager(session, find_managers(session, system))
    service = follow(session, read_root(session).get("UpdateService"))
    mine = (get_path(system) or "").rstrip("/")
    found = []
    for document in iterate_members(session, get_nested(service, "FirmwareInventory")):
        related = [get_path(reference) for reference in get_objects(document.get("RelatedItem"))]
        others = [path for path in related if path and "/Systems/" in path and not (mine and f"{path}/".startswith(f"{mine}/"))]
        item = _parse_item(document)
        if item is not None and not others:
            found.append(item)
    return FirmwareInventory(system, manager, names, tuple(found))


def choose_target(session: RedfishSession, inventory: FirmwareInventory, component: str) -> str | None:
    """Return the target of an update of *component*: the item with that identifier, or else with that name.

    Return None for the BIOS and the BMC if the image has to identify the component, because the inventory does not name it or
    names several versions of it. Raises InvalidInput, which lists the candidates, if it is not clear which item is meant.
    """
    if component == BMC and inventory.manager_names:
        wrong = "the machine has several managers, " + ", ".join(inventory.manager_names)
        raise InvalidInput([Problem("component", f"{component!r} is ambiguous", f"{wrong}; name an item of the inventory")])
    found = _find_candidates(inventory.items, component)
    if found and not any(item.is_updateable for item in found):
        raise InvalidInput([Problem("component", f"{component!r} cannot be updated", "the BMC reports Updateable false for it")])
    found = [item for item in found if item.is_updateable and not item.is_spare] or found
    if len({item.key for item in found}) > 1:
        names = [f"{item.identifier} ({item.name})" for item in found]
        allowed = "name one of the items by its identifier: " + _join(names)
        raise InvalidInput([Problem("component", f"{component!r} is ambiguous", allowed)])
    if len(found) == 1:
        return found[0].path
    if component == BIOS and not found and _count_systems(session) > 1:
        # Without a target the BMC could update another of its systems.
        return get_path(inventory.system)
    return None


def _find_candidates(items: Sequence[FirmwareItem], component: str) -> list[FirmwareItem]:
    """Return the items with the identifier *component*, or else those with its identifier or name in any case."""
    exact = [item for item in items if item.identifier == component]
    if exact:
        return exact
    name = component.lower()
    return [item for item in items if item.identifier.lower() == name] or [item for item in items if item.name.lower() == name]


def _parse_item(document: Mapping[str, Any]) -> FirmwareItem | None:
    path, identifier = get_path(document), get_text(document.get("Id"))
    if path is None or identifier is None:
        return None
    dell = _DELL_IDENTIFIER.match(identifier)
    return FirmwareItem(
        path=path,
        identifier=identifier,
        name=get_text(document.get("Name")) or "",
        version=get_text(document.get("Version")),
        is_updateable=document.get("Updateable") is not False,
        is_spare=dell is not None and dell[1] in ("Previous", "Available", "Rollback"),
        key=f"{dell[2]}__{dell[3]}" if dell else identifier,
    )


def _choose_manager(session: RedfishSession, managers: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the manager that is the BMC, and no names; or an empty document and the names of the candidates."""
    capable = [manager for manager in managers if manager.get("ManagerType") == "BMC"] or list(managers)
    if len(capable) > 1:
        serving = get_path(get_nested(read_root(session), "Links", "ManagerProvidingService"))
        capable = [manager for manager in capable if get_path(manager) == serving] or capable
    if len(capable) > 1:
        return {}, tuple(get_text(manager.get("Id")) or get_path(manager) or "unnamed" for manager in capable)
    return (capable[0] if capable else {}), ()


def _count_systems(session: RedfishSession) -> int:
    try:
        collection = follow(session, read_root(session).get("Systems"), large=True)
    except sushy.exceptions.HTTPError:
        return 1
    return len(get_objects(get_nested(collection, "Members")))


def _join(names: Sequence[str]) -> str:
    rest = f", and {len(names) - _MAX_NAMED_ITEMS} more" if len(names) > _MAX_NAMED_ITEMS else ""
    return ", ".join(names[:_MAX_NAMED_ITEMS]) + rest
