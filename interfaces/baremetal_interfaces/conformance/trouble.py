"""Leads a driver to a BMC that behaves badly: one that the author of the plugin names, or its own behind a relay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from baremetal_interfaces.conformance.outcome import NotOffered
from baremetal_interfaces.conformance.relay import Misbehaviour, Relay
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.values import Kind

_PORTS = {"http": 80, "https": 443}


class Bad(NamedTuple):
    """A *driver_info* that leads to a BMC that behaves badly. :meth:`recover` lets a relay pass all on again."""

    driver_info: Mapping[str, Any]
    relay: Relay | None = None

    def recover(self) -> None:
        """Let the BMC be as it was."""
        if self.relay is not None:
            self.relay.behave(None)


@contextmanager
def misbehaving(subject: Subject, how: Misbehaviour) -> Iterator[Bad]:
    """A BMC that behaves so, within the block. Raises NotOffered where there is no way to one."""
    if how in subject.misbehaving:
        yield Bad({**subject.driver_info, **subject.misbehaving[how]})
        return
    if how is Misbehaviour.LIES:
        raise NotOffered("no BMC was named that takes power commands and does nothing (misbehaving['lies'])")
    info_type = power_info_type(subject)
    if subject.power.connector is None:
        raise NotOffered("the power interface has no connector, and no BMC was named that behaves so")
    with Relay(_target(info_type, subject.driver_info)) as relay:
        led = {**subject.driver_info, **leading_to(info_type, subject.driver_info, relay.port)}
        try:
            subject.task(led).call(Kind.POWER, "get_power_state")
        except BareMetalError as exc:
            raise NotOffered(f"this BMC cannot be reached through a relay: {exc}") from None
        relay.behave(how)
        yield Bad(led, relay)


def power_info_type(subject: Subject) -> type[DriverInfo]:
    """What the power interface reads from ``driver_info``."""
    info_type = subject.power.info_type
    if info_type is None:
        raise NotOffered("the power interface reads nothing from driver_info")
    return info_type


def leading_to(info_type: type[DriverInfo], driver_info: Mapping[str, Any], port: int) -> dict[str, Any]:
    """What to change in *driver_info* to reach a *port* of this host."""
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
    """Host and port that *driver_info* leads to."""
    address, port_option = _options(info_type)
    given = str(driver_info.get(address, ""))
    if "://" in given:
        parts = urlsplit(given)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    endpoint = info_type.parse(driver_info).endpoint()
    port = endpoint.port or next((one.default for one in info_type.options() if one.name == port_option), None)
    if not isinstance(port, int):
        raise NotOffered("driver_info does not tell the port of the BMC")
    return endpoint.host, port
