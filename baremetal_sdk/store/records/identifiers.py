"""By which unique field a node or a port is meant."""

from __future__ import annotations

import re

from baremetal_sdk.store.records.fields import is_uuid

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5,}")


def is_mac(ident: str) -> bool:
    """Whether this is an address in lower case: of Ethernet, or a longer one."""
    return _MAC.fullmatch(ident) is not None


def node_key(ident: str) -> tuple[str, str]:
    """The unique field and its value: a UUID, in either case, or a name."""
    folded = ident.lower()
    return ("uuid", folded) if is_uuid(folded) else ("name", ident)


def port_key(ident: str) -> tuple[str, str]:
    """The unique field and its value: a UUID or a MAC address, in either case, or a name."""
    folded = ident.lower()
    if is_uuid(folded):
        return "uuid", folded
    return ("address", folded) if is_mac(folded) else ("name", ident)
