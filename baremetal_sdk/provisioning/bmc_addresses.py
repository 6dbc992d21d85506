"""Addresses of BMCs, by which a node is found that waits for the inventory of its machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline
from baremetal_interfaces.http.errors import NameLookupFailed
from baremetal_interfaces.http.socket import resolve
from baremetal_sdk.tasks.node_task import NodeTask

_RESOLVE_TIMEOUT_S = 5.0
_REPORTED = ("bmc_address", "bmc_v6address")
"""The fields of an inventory with the addresses that the machine's own BMC has told the agent."""


def parse_reported(inventory: Mapping[str, Any]) -> frozenset[str]:
    """Return the addresses of the machine's BMC in an agent's *inventory*. Values that identify no machine are left out."""
    return frozenset(filter(None, (_normalize(inventory.get(name)) for name in _REPORTED)))


def find_configured(task: NodeTask) -> list[str]:
    """Return the IP addresses of the node's BMC according to its ``driver_info``, sorted. Host names are resolved.

    Addresses that identify no machine are left out, and so is a BMC that the node reaches its controller through.
    """
    if task.raw_info.get("ipmi_bridging", "no") != "no":
        # The BMC belongs to another machine, whose agent reports the same address.
        return []
    hosts = set()
    for kind, interface in task.driver:
        if interface.connector is None or interface.info_type is None:
            continue
        try:
            hosts.add(task.info(kind).endpoint().host)
        except BareMetalError as exc:
            task.log.warning("the BMC address of the %s interface cannot find the node of an inspection: %s", kind, exc)
    return sorted({address for host in hosts for address in _resolve(task, host)})


def _resolve(task: NodeTask, host: str) -> Iterable[str]:
    try:
        found = resolve(host, 0, Deadline.after(_RESOLVE_TIMEOUT_S), kind=socket.SOCK_STREAM)
    except NameLookupFailed as exc:
        task.log.warning("the BMC address %s cannot find the node of an inspection: %s", host, exc)
        return ()
    return filter(None, (_normalize(address[0]) for *_, address in found))


def _normalize(address: Any) -> str | None:
    """Return an IP address in one spelling, or None for other values and for addresses that many machines have."""
    try:
        parsed = ipaddress.ip_address(str(address).partition("%")[0])
    except ValueError:
        return None
    parsed = (parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None) or parsed
    is_shared = parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast
    return None if is_shared else str(parsed)
