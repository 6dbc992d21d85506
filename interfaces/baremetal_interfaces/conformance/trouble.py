"""Access to a misbehaving BMC: one that the plugin author names, or the machine's own BMC behind a relay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from baremetal_interfaces.addresses import get_host_port, split_url
from baremetal_interfaces.conformance.outcome import NotOffered
from baremetal_interfaces.conformance.relay import Misbehaviour, Relay
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.values import Kind

_PORTS = {"http": 80, "https": 443}


class MisbehavingBMC(NamedTuple):
    """The *driver_info* that reaches a misbehaving BMC, and the *relay* that simulates it, if one does."""

    driver_info: Mapping[str, Any]
    relay: Relay | None = None

    def recover(self) -> None:
        """End the misbehavior, if a relay simulates it."""
        if self.relay is not None:
            self.relay.behave(None)


@contextmanager
def misbehaving(subject: Subject, how: Misbehaviour) -> Iterator[MisbehavingBMC]:
    """Provide a BMC with the behavior *how* within a ``with`` block. Raises NotOffered if that is not possible."""
    if how in subject.misbehaving:
        yield MisbehavingBMC({**subject.driver_info, **subject.misbehaving[how]})
        return
    if how is Misbehaviour.LIES:
        raise NotOffered("no BMC was given that accepts power commands and does nothing (misbehaving['lies'])")
    info_type = power_info_type(subject)
    if subject.power.connector is None:
        raise NotOffered("the power interface has no connector, and no misbehaving BMC was given")
    with Relay(_target(info_type, subject.driver_info)) as relay:
        relayed = {**subject.driver_info, **leading_to(info_type, subject.driver_info, relay.port)}
        try:
            subject.task(relayed).call(Kind.POWER, "get_power_state")
        except BareMetalError as exc:
            raise NotOffered(f"this BMC cannot be reached through a relay: {exc}") from None
        relay.behave(how)
        yield MisbehavingBMC(relayed, relay)


def power_info_type(subject: Subject) -> type[DriverInfo]:
    """Return the type of ``driver_info`` of the power interface. Raises NotOffered if it has none."""
    info_type = subject.power.info_type
    if info_type is None:
        raise NotOffered("the power interface reads nothing from driver_info")
    return info_type


def leading_to(info_type: type[DriverInfo], driver_info: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return the changes to *driver_info* that lead to *port* of this host."""
    address, port_option = _options(info_type)
    given = str(driver_info.get(address, ""))
    if "://" in given:
        return {address: urlunsplit(urlsplit(given)._replace(netloc=f"127.0.0.1:{port}"))}
    if port_option is not None:
        return {address: "127.0.0.1", port_option: port}
    return {address: f"127.0.0.1:{port}"}


def _options(info_type: type[DriverInfo]) -> tuple[str, str | None]:
    names = [option.name for option in info_type.options()]
    address = info_type.address_option or next((name for name in names if name.endswith("_address")), None)
    if address is None:
        raise NotOffered("driver_info has no option for an address")
    return address, next((name for name in names if name.endswith("_port")), None)


def _target(info_type: type[DriverInfo], driver_info: Mapping[str, Any]) -> tuple[str, int]:
    """Return host and port of the BMC that *driver_info* leads to."""
    address, port_option = _options(info_type)
    given = str(driver_info.get(address, ""))
    if "://" in given:
        parts = split_url(given)
        host, port = get_host_port(parts)
        return host, port or _PORTS.get(parts.scheme, 0)
    endpoint = info_type.parse(driver_info).endpoint()
    port = endpoint.port or next((option.default for option in info_type.options() if option.name == port_option), None)
    if not isinstance(port, int):
        raise NotOffered("driver_info does not contain the port of the BMC")
    return endpoint.host, port
