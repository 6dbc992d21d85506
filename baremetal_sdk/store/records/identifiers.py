"""Parser for identifiers from clients: decides whether an identifier is a UUID, a MAC address or a name."""

from __future__ import annotations

import re

from baremetal_sdk.store.records.fields import is_uuid

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5,}")


def is_mac(ident: str) -> bool:
    """Return whether *ident* is a MAC address in lower case, of six octets or more, as InfiniBand addresses are longer."""
    return _MAC.fullmatch(ident) is not None


def parse_node_ident(ident: str) -> tuple[str, str]:
    """Return the field, ``uuid`` or ``name``, and the value by which *ident* identifies a node. A UUID gets lower case."""
    folded = ident.lower()
    return ("uuid", folded) if is_uuid(folded) else ("name", ident)


def parse_port_ident(ident: str) -> tuple[str, str]:
    """Return the field, ``uuid``, ``address`` or ``name``, and the value by which *ident* identifies a port.

    A UUID or MAC address gets lower case.
    """
    folded = ident.lower()
    if is_uuid(folded):
        return "uuid", folded
    return ("address", folded) if is_mac(folded) else ("name", ident)
