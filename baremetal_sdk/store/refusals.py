"""Errors for missing and duplicate records, and the unique keys of records. All stores share them."""

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
"""Fields whose values together are unique among the records of a kind."""

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
    "node value part": (("uuid",), ("value_uuid", "number")),
}
"""Unique keys of each kind of record, by label. Records without a value in such a field do not conflict."""

_DUPLICATE_ERRORS: dict[str, type[BareMetalError]] = {"instance_uuid": InstanceAssociated, "address": MACAlreadyExists}

_DUPLICATE_TEXTS: Mapping[str, Mapping[str, str]] = {
    "volume connector": {
        "uuid": "UUID {uuid} already exists.",
        "type, connector_id": "type {type} and connector ID {connector_id} already exists.",
    },
    "volume target": {
        "uuid": "UUID {uuid} already exists.",
        "node_uuid, boot_index": "boot index '{boot_index}' for the same node already exists.",
    },
}
"""Label -> fields of a unique key -> the end of the error. Clients match these texts."""


def duplicate_error(label: str, key: UniqueKey, values: Mapping[str, Any]) -> BareMetalError:
    """Return the error for a record with *values* whose fields *key* have the same values as another record."""
    field = ", ".join(key)
    value = values[field] if len(key) == 1 else ", ".join(str(values[name]) for name in key)
    if field in _DUPLICATE_TEXTS.get(label, {}):
        text = _DUPLICATE_TEXTS[label][field].format(**values)
        return DuplicateName(f"A {label} with {text}", field=field, value=value)
    return _DUPLICATE_ERRORS.get(field, DuplicateName)(
        f"{field}: another {label} has {value!r} already", field=field, value=value
    )


def in_use_error(label: str, uuid: str, users: str) -> InvalidInput:
    """Return the error for the deletion of a record to which other records refer. *users* names them, such as "ports"."""
    return InvalidInput(f"{label} {uuid} cannot be deleted while {users} belong to it: move or delete them first")


def node_not_found_error(ident: str) -> NodeNotFound:
    """Return the error for a node that does not exist or that the caller may not see."""
    return NodeNotFound(f"node {ident} was not found", node=ident)


def port_not_found_error(ident: str) -> PortNotFound:
    """Return the error for a port that does not exist or that the caller may not see."""
    return PortNotFound(f"port {ident} was not found", port=ident)


def conductor_not_found_error(hostname: str, incarnation: str) -> ConductorNotFound:
    """Return the error for a conductor that is not registered, or whose host name another incarnation has registered."""
    text = f"conductor {hostname} is not registered as {incarnation}: it was removed, or started again elsewhere"
    return ConductorNotFound(text, conductor=hostname)


def marker_not_found_error(label: str, marker: str) -> MarkerNotFound:
    """Return the error for a listing whose *marker* is no record of the kind *label*."""
    allowed = f"allowed is the UUID of the last {label} of a page"
    return MarkerNotFound([Problem("marker", f"there is no {label} {marker}", allowed)])


def limit_error(limit: int) -> InvalidInput:
    """Return the error for a page size below 1."""
    return InvalidInput([Problem("limit", f"it is {limit}", "allowed is a number of at least 1, or none")])
