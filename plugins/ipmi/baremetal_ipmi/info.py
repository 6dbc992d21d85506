"""What a node says about its BMC. The names are those that Ironic's ``ipmitool`` interfaces use."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_interfaces import DriverInfo, Endpoint, Problem, option

PRIVILEGE_LEVELS = {"CALLBACK": 1, "USER": 2, "OPERATOR": 3, "ADMINISTRATOR": 4}
"""The privilege levels by their numbers (IPMI 2.0, table 22-19)."""

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
    ipmi_bridging: str = option("Bridging to another controller; none can be done.", default="no", choices=("no",))
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

    def endpoint(self) -> Endpoint:
        """The BMC's address, port and account."""
        return Endpoint("ipmi", self.ipmi_address, self.ipmi_port, self.ipmi_username or None)
