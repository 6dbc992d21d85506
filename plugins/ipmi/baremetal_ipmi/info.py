"""What a node says about its BMC. The names are those that Ironic's ``ipmitool`` interfaces use."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_interfaces import DriverInfo, Endpoint, Problem, option
from baremetal_ipmi.route import BMC_ADDRESS, Hop, Route

PRIVILEGE_LEVELS = {"CALLBACK": 1, "USER": 2, "OPERATOR": 3, "ADMINISTRATOR": 4}
"""The privilege levels by their numbers (IPMI 2.0, table 22-19)."""

_LAST_CHANNEL = 15
_USERNAME_BYTES = 16
_PASSWORD_BYTES = 20
_KEY_DIGITS = 40


@dataclass(frozen=True)
class IPMIInfo(DriverInfo):
    """How a BMC is reached over the network (RMCP+, IPMI 2.0)."""

    ipmi_address: str = option("Host name or IP address of the BMC.")
    ipmi_port: int = option("UDP port of the BMC.", default=623, minimum=1, maximum=65535)
    ipmi_username: str = option("Account at the BMC; by default the one without a name.", default="")
    ipmi_password: str = option("Password of the account.", default="", secret=True)
    ipmi_hex_kg_key: str | None = option("The BMC's key Kg, as 40 hexadecimal digits.", default=None, secret=True)
    ipmi_priv_level: str = option(
        "Privilege level that is asked for. Changing power needs OPERATOR or more.",
        default="ADMINISTRATOR",
        choices=tuple(PRIVILEGE_LEVELS),
    )
    ipmi_cipher_suite: int | None = option(
        "Cipher suite: 17 (SHA-256) or 3 (SHA-1). By default 17, and 3 where the BMC does not know it.",
        default=None,
        choices=(3, 17),
    )
    ipmi_protocol_version: str = option("IPMI version; 1.5 cannot be spoken.", default="2.0", choices=("2.0",))
    ipmi_bridging: str = option(
        "Whether commands are for another controller, which the BMC hands them on to; dual: by way of a third one.",
        default="no",
        choices=("no", "single", "dual"),
    )
    ipmi_target_channel: int | None = option(
        "Channel on which that controller is; needed for bridging.", default=None, minimum=0, maximum=_LAST_CHANNEL
    )
    ipmi_target_address: str | None = option(
        "Address of that controller on the channel, such as 0x72; needed for bridging.", default=None
    )
    ipmi_transit_channel: int | None = option(
        "Channel of the BMC on which the controller in between is; needed for dual bridging.",
        default=None,
        minimum=0,
        maximum=_LAST_CHANNEL,
    )
    ipmi_transit_address: str | None = option(
        "Address of the controller in between, such as 0x82; needed for dual bridging.", default=None
    )
    ipmi_local_address: str | None = option(
        "Address of the BMC itself on the channel, for bridging; by default 0x20.", default=None
    )
    ipmi_disable_boot_timeout: bool = option(
        "Keep a boot device that was set for longer than 60 seconds without a power command.", default=True
    )

    def check(self) -> Iterable[Problem]:
        """What the protocol has no room for."""
        if len(self.ipmi_username.encode()) > _USERNAME_BYTES:
            yield Problem("driver_info/ipmi_username", "is too long", f"IPMI allows {_USERNAME_BYTES} bytes")
        if len(self.ipmi_password.encode()) > _PASSWORD_BYTES:
            yield Problem("driver_info/ipmi_password", "is too long", f"IPMI allows {_PASSWORD_BYTES} bytes")
        key = self.ipmi_hex_kg_key
        if key is not None and (len(key) != _KEY_DIGITS or not set(key) <= set(string.hexdigits)):
            yield Problem("driver_info/ipmi_hex_kg_key", "is not valid", f"it has to be {_KEY_DIGITS} hexadecimal digits")
        yield from self._bridging_problems()

    def _bridging_problems(self) -> Iterable[Problem]:
        needed = {"no": (), "single": ("target",), "dual": ("target", "transit")}[self.ipmi_bridging]
        for name in ("target", "transit", "local"):
            channel, address = getattr(self, f"ipmi_{name}_channel", None), getattr(self, f"ipmi_{name}_address")
            if name in needed and channel is None:
                yield Problem(
                    f"driver_info/ipmi_{name}_channel", "is missing", f"{self.ipmi_bridging} bridging needs the channel"
                )
            if (name in needed or address is not None) and _address(address) is None:
                allowed = "an even number from 0x02 to 0xFE"
                yield Problem(f"driver_info/ipmi_{name}_address", "is no address of a controller", allowed)

    def endpoint(self) -> Endpoint:
        """The BMC's address, port and account."""
        return Endpoint("ipmi", self.ipmi_address, self.ipmi_port, self.ipmi_username or None)

    def route(self) -> Route | None:
        """The way to the controller that commands are for, where it is not the BMC itself."""
        target = _hop(self.ipmi_target_channel, self.ipmi_target_address)
        if self.ipmi_bridging == "no" or target is None:
            return None
        transit = _hop(self.ipmi_transit_channel, self.ipmi_transit_address) if self.ipmi_bridging == "dual" else None
        return Route(target, transit, _address(self.ipmi_local_address) or BMC_ADDRESS)


def _hop(channel: int | None, address: str | None) -> Hop | None:
    number = _address(address)
    return None if channel is None or number is None else Hop(channel, number)


def _address(text: str | None) -> int | None:
    """The address of a controller; the lowest bit of such a byte is another's (IPMB 1.0, 3.1)."""
    try:
        value = int(text or "", 0)
    except ValueError:
        return None
    return value if 0 < value <= 0xFE and value % 2 == 0 else None
