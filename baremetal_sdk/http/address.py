"""Addresses of clients: how they are written, and which of them belong to one client."""

from __future__ import annotations

import ipaddress


def plain(address: str) -> str:
    """*address*, where it is one of IPv4 inside IPv6 (``::ffff:192.0.2.1``) as IPv4 writes it."""
    if not address.startswith("::ffff:") or "." not in address:
        return address
    try:
        inner = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if inner is None else str(inner)


def network(address: str) -> str:
    """What belongs to one client: an address of IPv4, or the 64 bits of one of IPv6 that a network has."""
    address = plain(address)
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
