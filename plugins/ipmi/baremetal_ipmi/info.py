"""The ``ipmi_*`` options of ``driver_info``. Their names are those of Ironic's ``ipmitool`` interfaces."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import DriverInfo, Endpoint, MachineAddress, Problem, option
from baremetal_interfaces.addresses import parse_host
from baremetal_ipmi.route import BMC_ADDRESS, Hop, Route

PRIVILEGE_LEVELS = {"CALLBACK": 1, "USER": 2, "OPERATOR": 3, "ADMINISTRATOR": 4}
"""Numbers of the privilege levels (IPMI 2.0, table 22-19)."""

_DEFAULT_PORT = 623
_MAX_CHANNEL = 15
_MAX_USERNAME_BYTES = 16
_MAX_PASSWORD_BYTES = 20
_KEY_DIGITS = 40


@dataclass(frozen=True)
class IPMIInfo(DriverInfo):
    """Options of a BMC with IPMI 2.0 over a network (RMCP+)."""

    ipmi_address: str = option("Host name or IP address of the BMC.")
    ipmi_port: int = option("UDP port of the BMC.", default=_DEFAULT_PORT, minimum=1, maximum=65535)
    ipmi_username: str = option("Username of the account at the BMC; by default the anonymous account.", default="")
    ipmi_password: str = option("Password of the account.", default="", secret=True)
    ipmi_hex_kg_key: str | None = option("The BMC's key Kg, as 40 hexadecimal digits.", default=None, secret=True)
    ipmi_priv_level: str = option(
        "Privilege level of the session. Power commands require OPERATOR or ADMINISTRATOR.",
        default="ADMINISTRATOR",
        choices=tuple(PRIVILEGE_LEVELS),
    )
    ipmi_cipher_suite: int | None = option(
        "Cipher suite: 17 (SHA-256) or 3 (SHA-1). By default 17, and 3 if the BMC does not support 17.",
        default=None,
        choices=(3, 17),
    )
    ipmi_protocol_version: str = option("IPMI version. Version 1.5 is not supported.", default="2.0", choices=("2.0",))
    ipmi_bridging: str = option(
        "Controller that gets the commands: no for the BMC itself, single for a controller behind it, dual for a controller "
        "behind a transit controller.",
        default="no",
        choices=("no", "single", "dual"),
    )
    ipmi_target_channel: int | None = option(
        "Channel of the target controller; required for bridging.", default=None, minimum=0, maximum=_MAX_CHANNEL
    )
    ipmi_target_address: str | None = option(
        "Address of the target controller on its channel, such as 0x72; required for bridging.", default=None
    )
    ipmi_transit_channel: int | None = option(
        "Channel of the BMC that leads to the transit controller; required for dual bridging.",
        default=None,
        minimum=0,
        maximum=_MAX_CHANNEL,
    )
    ipmi_transit_address: str | None = option(
        "Address of the transit controller, such as 0x82; required for dual bridging.", default=None
    )
    ipmi_local_address: str | None = option("Address of the BMC on the channel, for bridging; by default 0x20.", default=None)
    ipmi_disable_boot_timeout: bool = option(
        "Keep a boot device even if no power command follows within 60 seconds.", default=True
    )

    def check(self) -> Iterable[Problem]:
        """Yield the problems of username, password and key Kg, and the missing or invalid options of bridging.

        IPMI allows 16 bytes for the username and 20 for the password.
        """
        try:
            parse_host(self.ipmi_address)
        except ValueError as exc:
            yield Problem("driver_info/ipmi_address", str(exc), "a host name or an IP address; ipmi_port is the port")
        if len(self.ipmi_username.encode()) > _MAX_USERNAME_BYTES:
            yield Problem("driver_info/ipmi_username", "is too long", f"IPMI allows {_MAX_USERNAME_BYTES} bytes")
        if len(self.ipmi_password.encode()) > _MAX_PASSWORD_BYTES:
            yield Problem("driver_info/ipmi_password", "is too long", f"IPMI allows {_MAX_PASSWORD_BYTES} bytes")
        key = self.ipmi_hex_kg_key
        if key is not None and (len(key) != _KEY_DIGITS or not set(key) <= set(string.hexdigits)):
            yield Problem("driver_info/ipmi_hex_kg_key", "is not valid", f"it has to be {_KEY_DIGITS} hexadecimal digits")
        yield from self._find_bridging_problems()

    def _find_bridging_problems(self) -> Iterable[Problem]:
        needed = {"no": (), "single": ("target",), "dual": ("target", "transit")}[self.ipmi_bridging]
        for name in ("target", "transit", "local"):
            channel, address = getattr(self, f"ipmi_{name}_channel", None), getattr(self, f"ipmi_{name}_address")
            if name in needed and channel is None:
                yield Problem(
                    f"driver_info/ipmi_{name}_channel", "is missing", f"{self.ipmi_bridging} bridging needs the channel"
                )
            if (name in needed or address is not None) and _parse_address(address) is None:
                allowed = "an even number from 0x02 to 0xFE"
                yield Problem(f"driver_info/ipmi_{name}_address", "is not the address of a controller", allowed)

    @classmethod
    def find_machine(cls, raw: Mapping[str, Any]) -> MachineAddress | None:
        """Return the BMC's host, with its port if that is not the default, and the addresses of the bridging."""
        address = raw.get("ipmi_address")
        if not isinstance(address, str):
            return None
        try:
            host = parse_host(address)
        except ValueError:
            return None
        port = str(raw.get("ipmi_port") or _DEFAULT_PORT)
        bmc = host.lower() if port == str(_DEFAULT_PORT) else f"{host.lower()} port {port}"
        hops = {"single": ("target",), "dual": ("transit", "target")}.get(str(raw.get("ipmi_bridging")), ())
        route = [f"{hop} {raw.get(f'ipmi_{hop}_channel')}/{raw.get(f'ipmi_{hop}_address')}" for hop in hops]
        return MachineAddress(bmc, " ".join(route))

    def endpoint(self) -> Endpoint:
        """Return the BMC's address, port and account. Controllers behind one BMC have the same endpoint."""
        return Endpoint("ipmi", parse_host(self.ipmi_address), self.ipmi_port, self.ipmi_username or None)

    def build_route(self) -> Route | None:
        """Return the route to the target controller, or None if the target is the BMC itself."""
        target = _build_hop(self.ipmi_target_channel, self.ipmi_target_address)
        if self.ipmi_bridging == "no" or target is None:
            return None
        transit = _build_hop(self.ipmi_transit_channel, self.ipmi_transit_address) if self.ipmi_bridging == "dual" else None
        return Route(target, transit, _parse_address(self.ipmi_local_address) or BMC_ADDRESS)


def _build_hop(channel: int | None, address: str | None) -> Hop | None:
    number = _parse_address(address)
    return None if channel is None or number is None else Hop(channel, number)


def _parse_address(text: str | None) -> int | None:
    """Return the address of a controller, an even number from 0x02 to 0xFE; None if *text* is missing or not valid.

    The lowest bit of the byte is not part of the address (IPMB 1.0, 3.1).
    """
    try:
        value = int(text or "", 0)
    except ValueError:
        return None
    return value if 0 < value <= 0xFE and value % 2 == 0 else None
