"""The errors that say what is not there and what is there already, in the same words for every store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, InvalidInput, Problem
from baremetal_sdk.errors import (
    ConductorNotFound,
    DuplicateName,
    InstanceAssociated,
    MACAlreadyExists,
    MarkerNotFound,
    NodeNotFound,
    PortNotFound,
)

UniqueKey = tuple[str, ...]
"""Fields whose values together belong to one record."""

UNIQUE_KEYS: dict[str, tuple[UniqueKey, ...]] = {
    "node": (("uuid",), ("name",), ("instance_uuid",)),
    "port": (("uuid",), ("name",), ("address",)),
    "chassis": (("uuid",),),
    "portgroup": (("uuid",), ("name",), ("address",)),
    "volume connector": (("uuid",), ("type", "connector_id")),
    "volume target": (("uuid",), ("node_uuid", "boot_index")),
    "BIOS setting": (("uuid",), ("node_uuid", "name")),
    "firmware component": (("uuid",), ("node_uuid", "component")),
    "history entry": (("uuid",),),
    "inventory": (("uuid",), ("node_uuid", "source")),
    "allocation": (("uuid",), ("name",)),
    "deploy template": (("uuid",), ("name",)),
    "runbook": (("uuid",), ("name",)),
    "inspection rule": (("uuid",),),
    "login refusal": (("uuid",),),
    "API token": (("uuid",), ("name",)),
    "keyed request": (("uuid",),),
}
"""What no two records have in common; what is not set is nobody's."""

_TAKEN: dict[str, type[BareMetalError]] = {"instance_uuid": InstanceAssociated, "address": MACAlreadyExists}


def duplicate_error(what: str, key: UniqueKey, values: Mapping[str, Any]) -> BareMetalError:
    """Another record has these values already."""
    field = ", ".join(key)
    value = values[field] if len(key) == 1 else ", ".join(str(values[name]) for name in key)
    return _TAKEN.get(field, DuplicateName)(f"{field}: another {what} has {value!r} already", field=field, value=value)


def in_use_error(what: str, uuid: str, by: str) -> InvalidInput:
    """A record cannot be deleted while others name it."""
    return InvalidInput(f"{what} {uuid} cannot be deleted while {by} belong to it: move or delete them first")


def node_not_found_error(ident: str) -> NodeNotFound:
    """There is no such node, or none that the caller may see."""
    return NodeNotFound(f"node {ident} was not found", node=ident)


def port_not_found_error(ident: str) -> PortNotFound:
    """There is no such port, or none that the caller may see."""
    return PortNotFound(f"port {ident} was not found", port=ident)


def conductor_not_found_error(hostname: str, incarnation: str) -> ConductorNotFound:
    """The conductor is not registered, or another incarnation of it is."""
    text = f"conductor {hostname} is not registered as {incarnation}: it was forgotten, or started again elsewhere"
    return ConductorNotFound(text, conductor=hostname)


def marker_not_found_error(what: str, marker: str) -> MarkerNotFound:
    """A page cannot begin after a record that is not there."""
    allowed = f"allowed is the UUID of the last {what} of a page"
    return MarkerNotFound([Problem("marker", f"there is no {what} {marker}", allowed)])


def limit_error(limit: int) -> InvalidInput:
    """A page has a size."""
    return InvalidInput([Problem("limit", f"it is {limit}", "allowed is a number of at least 1, or none")])
