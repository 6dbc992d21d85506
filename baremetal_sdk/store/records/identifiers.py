"""Detection of the unique field that an identifier from a client belongs to."""

from __future__ import annotations

import re

from baremetal_sdk.store.records.fields import is_uuid

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5,}")


def is_mac(ident: str) -> bool:
    """Return whether *ident* is a MAC address in lower case; InfiniBand addresses are longer than six octets."""
    return _MAC.fullmatch(ident) is not None


def parse_node_ident(ident: str) -> tuple[str, str]:
    """Return the unique field of a node and its value: a UUID in either case, or a name."""
    folded = ident.lower()
    return ("uuid", folded) if is_uuid(folded) else ("name", ident)


def parse_port_ident(ident: str) -> tuple[str, str]:
    """Return the unique field of a port and its value: a UUID or MAC address in either case, or a name."""
    folded = ident.lower()
    if is_uuid(folded):
        return "uuid", folded
    return ("address", folded) if is_mac(folded) else ("name", ident)
