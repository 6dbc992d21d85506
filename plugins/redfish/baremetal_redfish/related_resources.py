"""Search for the managers of one system, at services with several managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from baremetal_redfish.links import follow, get_nested, get_objects, get_path, iterate_members, read_root
from baremetal_redfish.session import RedfishSession


class _Relation(NamedTuple):
    """Names of the links between a system and its related resources, and the collection of those resources."""

    from_system: tuple[str, ...]
    collection: str
    to_system: str


# The schema names the link ManagedBy; some services use the name of the collection.
_MANAGERS = _Relation(("ManagedBy", "Managers"), "Managers", "ManagerForServers")


def find_managers(session: RedfishSession, system: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of the managers (BMCs) of *system*, in the service's order."""
    return _find_related(session, system, _MANAGERS)


def _find_related(session: RedfishSession, system: Mapping[str, Any], relation: _Relation) -> list[dict[str, Any]]:
    """Return the resources that the system links to.

    If it links to none, return those that link to the system. If the service has a single one without links, return that.
    """
    for name in relation.from_system:
        linked = [follow(session, link) for link in get_objects(get_nested(system, "Links", name))]
        found = [document for document in linked if document is not None]
        if found:
            return found
    every = list(iterate_members(session, read_root(session).get(relation.collection)))
    mine = [document for document in every if _normalize(get_path(system)) in _get_linked_paths(document, relation)]
    if mine:
        return mine
    unlinked = [document for document in every if not _get_linked_paths(document, relation)]
    return unlinked if len(every) == 1 else []


def _get_linked_paths(document: Mapping[str, Any], relation: _Relation) -> set[str]:
    return {_normalize(get_path(link)) for link in get_objects(get_nested(document, "Links", relation.to_system))}


def _normalize(path: str | None) -> str:
    return (path or "").rstrip("/")
