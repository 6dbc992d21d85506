"""Loopback addresses for simulated BMCs, one for each machine, and checks of names and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

ADDRESSES_PER_BLOCK = 250
"""Number of addresses to use in each block of 256. Some software treats the first and the last addresses as special."""


def addresses_in(network: str, count: int) -> tuple[str, ...]:
    """Return the first *count* usable addresses of *network* (CIDR notation): .1 to .250 of each block of 256.

    Raises ValueError if *network* is not on loopback or has too few addresses.
    """
    block = ipaddress.ip_network(network)
    if not block.is_loopback:
        raise ValueError(f"cannot use network {network}: it is not a loopback network; choose a part of 127.0.0.0/8")
    addresses = tuple(str(address) for address in _walk(block, count))
    if len(addresses) < count:
        raise ValueError(
            f"network {network} is too small: it has {len(addresses)} usable addresses; {count} are needed; choose a larger one"
        )
    return addresses


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless *names* holds at least one machine name, and all names are different and not empty."""
    if not names:
        raise ValueError("cannot create the test service: it has no machine; name one or more")
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(f"machine names {names!r} are not valid: they must be unique and not empty; change them")


def check_addresses(addresses: Sequence[str], machine_count: int) -> None:
    """Raise ValueError unless all *addresses* are on loopback, and their number is 1 or *machine_count*.

    A test service is not hardened, so it must not be reachable from other hosts.
    """
    if len(addresses) not in (1, machine_count):
        raise ValueError(
            f"{len(addresses)} addresses do not fit {machine_count} machines: give one address, or one for each machine"
        )
    for address in addresses:
        if address != "localhost" and not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"cannot listen at {address}: it is not a loopback address; use 127.0.0.1 or ::1")


def _walk(block: ipaddress.IPv4Network | ipaddress.IPv6Network, count: int) -> Iterator[Any]:
    for index in range(count):
        offset = index // ADDRESSES_PER_BLOCK * 256 + index % ADDRESSES_PER_BLOCK + 1
        if offset >= block.num_addresses:
            return
        yield block[offset]
