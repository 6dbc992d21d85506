"""By which unique field a node or a port is meant."""

from __future__ import annotations

import re

from baremetal_sdk.store.fields import is_uuid

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5,}")


def node_key(ident: str) -> tuple[str, str]:
    """The unique field and its value: a UUID, in either case, or a name."""
    folded = ident.lower()
    return ("uuid", folded) if is_uuid(folded) else ("name", ident)


def port_key(ident: str) -> tuple[str, str]:
    """The unique field and its value: a UUID or a MAC address, in either case, or a name."""
    folded = ident.lower()
    if is_uuid(folded):
        return "uuid", folded
    return ("address", folded) if _MAC.fullmatch(folded) else ("name", ident)
