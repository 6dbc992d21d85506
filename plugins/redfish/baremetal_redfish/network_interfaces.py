"""Network interfaces of a machine, from all resources that report MAC addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baremetal_redfish.links import get_nested, get_objects, get_path, get_text
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.values import is_present, parse_count, parse_number

_MAC_PATTERN = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_NO_MAC = "00:00:00:00:00:00"
_LINK_STATES = {"LinkUp": True, "LinkDown": False, "NoLink": False, "Up": True, "Down": False}
_OTHER_TECHNOLOGIES = frozenset({"InfiniBand", "FibreChannel", "FibreChannelOverEthernet", "iSCSI"})
_UNUSED_FUNCTIONS = frozenset({"Disabled", "FibreChannel", "iSCSI"})


@dataclass(frozen=True)
class NetworkInterface:
    """Network interface of a machine.

    *address* is its MAC address in lower case with colons; *has_link* is the link status. Interfaces of other networks than
    Ethernet have *is_ethernet* False.
    """

    name: str | None
    address: str | None
    has_link: bool | None
    speed_mbps: int | None
    is_ethernet: bool = True


def read_network_interfaces(
    reader: ResourceReader, system: Mapping[str, Any], chassis: Iterable[Mapping[str, Any]]
) -> list[NetworkInterface]:
    """Return the interfaces that the system lists, and those that only its network adapters report.

    The interface between the machine and its BMC is left out and logged: many machines have the same address there.
    """
    found = list(_iterate_listed(reader, system))
    known = {nic.address for nic in found}
    for nic in _iterate_adapter_interfaces(reader, _find_adapters(reader, system, chassis), frozenset(known)):
        if nic.address in known:
            continue
        known.add(nic.address)
        # iDRAC lists interfaces without their address, which the function with the same identifier has.
        index = next((index for index, listed in enumerate(found) if not listed.address and listed.name == nic.name), None)
        if index is None:
            found.append(nic)
        else:
            found[index] = replace(nic, name=found[index].name)
    if not any(nic.address for nic in found):
        reader.log.warning("the BMC reports no MAC address of the machine")
    return found


def parse_mac(value: Any) -> str | None:
    """Return the MAC address of a network interface in lower case with colons, or None for anything else."""
    text = value.strip().lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC_PATTERN.match(text) or text == _NO_MAC:
        return None
    # The lowest bit of the first octet marks addresses of groups.
    return None if int(text[:2], 16) & 1 else text


def _iterate_listed(reader: ResourceReader, system: Mapping[str, Any]) -> Iterator[NetworkInterface]:
    """Yield the interfaces that the system lists, except for those to the BMC."""
    host_addresses = _find_host_addresses(reader, system)
    for document in reader.members(system.get("EthernetInterfaces")):
        nic = _parse_interface(document)
        if not is_present(document):
            continue
        links = document.get("Links")
        is_host = bool(get_nested(links, "HostInterface") or get_nested(links, "HostInterfaces"))
        if is_host or (nic.address is not None and nic.address in host_addresses):
            reader.log.info("interface %s (%s) is omitted: it connects the machine with its BMC", nic.name, nic.address)
        else:
            yield nic


def _find_host_addresses(reader: ResourceReader, system: Mapping[str, Any]) -> set[str | None]:
    """Return the MAC addresses of the machine's end of the connections with its BMC."""
    own = get_path(system.get("EthernetInterfaces"))
    addresses: set[str | None] = set()
    for manager in reader.follow_links(get_nested(system, "Links", "ManagedBy")):
        for host_interface in reader.members(manager.get("HostInterfaces")):
            interfaces = host_interface.get("HostEthernetInterfaces")
            # iDRAC links to the collection of all interfaces of the system.
            if get_path(interfaces) != own:
                addresses |= {_parse_interface(document).address for document in reader.members(interfaces)}
    return addresses - {None}


def _iterate_adapter_interfaces(
    reader: ResourceReader, adapters: Iterable[Mapping[str, Any]], listed: frozenset[str | None]
) -> Iterator[NetworkInterface]:
    """Yield the functions of *adapters* and, where those have no address, their ports. *listed* are known addresses."""
    for adapter in adapters:
        ports = _read_parts(reader, adapter, "Ports") or _read_parts(reader, adapter, "NetworkPorts")
        functions = _read_parts(reader, adapter, "NetworkDeviceFunctions")
        found = [nic for nic in (_parse_function(function, ports) for function in functions) if nic is not None]
        yield from found
        # A port also reports addresses for teaming and storage, so it counts only if no interface has one of its addresses.
        known = listed | {nic.address for nic in found}
        for port in ports:
            addresses = _list_port_addresses(port)
            if not known & set(addresses):
                prefix = get_text(adapter.get("Id"))
                yield from (_build_port_interface(port, address, prefix) for address in addresses)


def _read_parts(reader: ResourceReader, adapter: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the members of a collection of an adapter or, without one, the resources that its controllers link to."""
    controllers = get_objects(adapter.get("Controllers"))
    linked = (reader.follow_links(get_nested(controller, "Links", name)) for controller in controllers)
    return list(reader.members(adapter.get(name))) or [document for documents in linked for document in documents]


def _find_adapters(
    reader: ResourceReader, system: Mapping[str, Any], chassis: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the network adapters of all chassis, and those that the system's network interfaces link to."""
    seen = set()
    for member in chassis:
        for adapter in reader.members(member.get("NetworkAdapters")):
            seen.add(get_path(adapter))
            yield adapter
    for interface in reader.members(system.get("NetworkInterfaces")):
        reference = get_nested(interface, "Links", "NetworkAdapter")
        if get_path(reference) not in seen:
            seen.add(get_path(reference))
            yield from reader.follow_links([reference])


def _parse_interface(document: Mapping[str, Any]) -> NetworkInterface:
    return NetworkInterface(
        name=get_text(document.get("Id")) or get_text(document.get("Name")),
        address=parse_mac(document.get("MACAddress")) or parse_mac(document.get("PermanentMACAddress")),
        has_link=_LINK_STATES.get(str(document.get("LinkStatus"))),
        speed_mbps=parse_count(document.get("SpeedMbps")),
    )


def _parse_function(document: Mapping[str, Any], ports: Sequence[Mapping[str, Any]]) -> NetworkInterface | None:
    """Return the interface of a network device function, or None if it has no MAC address or the machine does not see it."""
    ethernet, kind = document.get("Ethernet"), document.get("NetDevFuncType")
    address = parse_mac(get_nested(ethernet, "MACAddress")) or parse_mac(get_nested(ethernet, "PermanentMACAddress"))
    if address is None or kind in _UNUSED_FUNCTIONS or not is_present(document):
        return None
    own = [port for port in ports if address in _list_port_addresses(port)]
    port = own[0] if own else {}
    name = get_text(document.get("Id")) or get_text(document.get("Name"))
    # The port of a function may be unknown; then those of its adapter decide.
    is_ethernet = kind not in _OTHER_TECHNOLOGIES and all(map(_is_ethernet, own or ports))
    return NetworkInterface(name, address, _parse_link(port), _parse_speed(port), is_ethernet)


def _build_port_interface(port: Mapping[str, Any], address: str, prefix: str | None) -> NetworkInterface:
    name = "-".join(filter(None, (prefix, get_text(port.get("Id")) or get_text(port.get("Name"))))) or None
    return NetworkInterface(name, address, _parse_link(port), _parse_speed(port), _is_ethernet(port))


def _list_port_addresses(port: Mapping[str, Any]) -> list[str]:
    """Return the MAC addresses of a port, or of its older form, in its order."""
    if not is_present(port):
        return []
    ethernet = get_nested(port, "Ethernet", "AssociatedMACAddresses")
    listed = ethernet if isinstance(ethernet, list) else port.get("AssociatedNetworkAddresses")
    addresses = [parse_mac(value) for value in listed] if isinstance(listed, list) else []
    return list(dict.fromkeys(address for address in addresses if address is not None))


def _is_ethernet(port: Mapping[str, Any]) -> bool:
    named = (port.get(name) for name in ("LinkNetworkTechnology", "ActiveLinkTechnology", "PortProtocol"))
    return not _OTHER_TECHNOLOGIES.intersection(name for name in named if isinstance(name, str))


def _parse_link(port: Mapping[str, Any]) -> bool | None:
    return _LINK_STATES.get(str(port.get("LinkStatus")))


def _parse_speed(port: Mapping[str, Any]) -> int | None:
    speed = parse_number(port.get("CurrentSpeedGbps"))
    return parse_count(port.get("CurrentLinkSpeedMbps")) or (None if speed is None else round(speed * 1000))
