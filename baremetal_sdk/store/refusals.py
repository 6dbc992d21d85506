"""The errors that say what is not there and what is there already, in the same words for every store."""

from __future__ import annotations

from baremetal_interfaces import BareMetalError, InvalidInput, Problem
from baremetal_sdk.errors import (
    ConductorNotFound,
    DuplicateName,
    InstanceAssociated,
    MACAlreadyExists,
    NodeNotFound,
    PortNotFound,
)

UNIQUE: dict[str, tuple[str, ...]] = {"node": ("uuid", "name", "instance_uuid"), "port": ("uuid", "name", "address")}
"""The fields of which no two records have the same value."""

_TAKEN: dict[str, type[BareMetalError]] = {"instance_uuid": InstanceAssociated, "address": MACAlreadyExists}


def taken(what: str, field: str, value: str) -> BareMetalError:
    """Another record has this value already."""
    return _TAKEN.get(field, DuplicateName)(f"{field}: another {what} has {value!r} already", field=field, value=value)


def node_not_found(ident: str) -> NodeNotFound:
    """There is no such node, or none that the caller may see."""
    return NodeNotFound(f"node {ident} was not found", node=ident)


def port_not_found(ident: str) -> PortNotFound:
    """There is no such port, or none that the caller may see."""
    return PortNotFound(f"port {ident} was not found", port=ident)


def conductor_not_found(hostname: str, incarnation: str) -> ConductorNotFound:
    """The conductor is not registered, or another incarnation of it is."""
    text = f"conductor {hostname} is not registered as {incarnation}: it was forgotten, or started again elsewhere"
    return ConductorNotFound(text, conductor=hostname)


def marker_not_found(what: str, marker: str) -> InvalidInput:
    """A page cannot begin after a record that is not there."""
    return InvalidInput([Problem("marker", f"there is no {what} {marker}", f"allowed is the UUID of the last {what} of a page")])


def wrong_limit(limit: int) -> InvalidInput:
    """A page has a size."""
    return InvalidInput([Problem("limit", f"it is {limit}", "allowed is a number of at least 1, or none")])
