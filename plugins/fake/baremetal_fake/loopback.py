"""Addresses on loopback, one for each simulated BMC."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

PER_BLOCK = 250
"""Addresses that are used of each 256: never the first and the last, which some software takes for special."""


def addresses_in(network: str, count: int) -> tuple[str, ...]:
    """The first *count* addresses of *network*: 250 of each 256, from .1 to .250.

    ValueError where they are not there, or not on loopback.
    """
    block = ipaddress.ip_network(network)
    if not block.is_loopback:
        raise ValueError(f"{network} is not a loopback network")
    found = tuple(str(address) for address in _walk(block, count))
    if len(found) < count:
        raise ValueError(f"{network} has {len(found)} addresses to use, and {count} are needed")
    return found


def _walk(block: ipaddress.IPv4Network | ipaddress.IPv6Network, count: int) -> Iterator[Any]:
    for index in range(count):
        offset = index // PER_BLOCK * 256 + index % PER_BLOCK + 1
        if offset >= block.num_addresses:
            return
        yield block[offset]
