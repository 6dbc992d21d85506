"""Client addresses: their normal form, and the key under which limits count a client."""

from __future__ import annotations

import ipaddress


def normalize_address(address: str) -> str:
    """Return *address*, with an IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) in IPv4 notation."""
    if not address.startswith("::ffff:") or "." not in address:
        return address
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def get_client_network(address: str) -> str:
    """Return the key under which limits count the client at *address*.

    The key is the IPv4 address itself, or the /64 network of an IPv6 address: a client usually controls a whole /64.
    """
    address = normalize_address(address)
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
