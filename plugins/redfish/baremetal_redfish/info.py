"""What Redfish has to be told about a machine: the ``redfish_*`` options of ``driver_info``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

from baremetal_interfaces import DriverInfo, Endpoint, Problem, TLSOptions, option

PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
"""What stands in a path as it is; a percent sign, too, for what comes from a service is quoted already."""

_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?\Z|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?\Z")
_ALLOWED_ADDRESS = "a host name or an IP address, with https:// or http:// before it and :port behind it as needed"


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int | None


@dataclass(frozen=True)
class RedfishInfo(DriverInfo):
    """A machine whose BMC speaks Redfish."""

    redfish_address: str = option("Address of the BMC: https://host[:port], http://host[:port], or a host alone for https.")
    redfish_system_id: str | None = option(
        "The computer system at this BMC: its path (/redfish/v1/Systems/1) or its id; not needed where there is only one.",
        default=None,
    )
    redfish_username: str | None = option("Name of the account at the BMC.", default=None)
    redfish_password: str | None = option("Password of the account at the BMC.", default=None, secret=True)
    redfish_verify_ca: str = option(
        "Whether to check the BMC's certificate: true (with the authorities of the conductor's system), false, or the path "
        "of a PEM file or a directory of authorities on the conductor.",
        default="true",
    )
    redfish_auth_type: str = option(
        "How to log in: session, basic, or auto: a session where the BMC has them, basic elsewhere.",
        default="auto",
        choices=("auto", "session", "basic"),
    )
    redfish_root_prefix: str = option("Path of the Redfish service root.", default="/redfish/v1/")

    @classmethod
    def problems(cls, raw: Mapping[str, Any]) -> list[Problem]:
        """Everything that is wrong with *raw*; ``redfish_verify_ca`` may be a boolean of JSON, too."""
        return super().problems(_with_text(raw))

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Make an instance of *raw*; ``redfish_verify_ca`` may be a boolean of JSON, too."""
        return super().parse(_with_text(raw))

    def check(self) -> Iterator[Problem]:
        """What is wrong with the address, the account and the files that are named."""
        wrong = _address_problem(self.redfish_address)
        if wrong:
            yield Problem("driver_info/redfish_address", wrong, _ALLOWED_ADDRESS)
        yield from self._account_problems()
        trust = self.redfish_verify_ca
        if trust.strip().lower() not in _TRUE | _FALSE and not os.path.exists(trust):
            yield Problem(
                "driver_info/redfish_verify_ca",
                f"{trust!r} does not exist on this conductor",
                "true, false, or the path of a PEM file or of a directory",
            )
        if not self.redfish_root_prefix.startswith("/"):
            yield Problem("driver_info/redfish_root_prefix", f"{self.redfish_root_prefix!r} does not begin with /", "a path")

    def _account_problems(self) -> Iterator[Problem]:
        if self.redfish_username and not self.redfish_password:
            yield Problem("driver_info/redfish_password", "is missing", "redfish_username is given, so both are needed")
        if self.redfish_password and not self.redfish_username:
            yield Problem("driver_info/redfish_username", "is missing", "redfish_password is given, so both are needed")
        if self.redfish_username and ":" in self.redfish_username and self.redfish_auth_type == "basic":
            yield Problem("driver_info/redfish_username", "holds a colon", "basic authentication allows none; use session")
        if self.redfish_auth_type != "auto" and not self.redfish_username:
            yield Problem(
                "driver_info/redfish_auth_type",
                f"{self.redfish_auth_type} needs redfish_username and redfish_password",
                "auto works without an account",
            )

    def endpoint(self) -> Endpoint:
        """Where the BMC is, as whom it is spoken to, and how it is trusted."""
        scheme, host, port = _split(self.redfish_address)
        return Endpoint(scheme, host, port, self.redfish_username, self.tls if scheme == "https" else None)

    @property
    def tls(self) -> TLSOptions:
        """What ``redfish_verify_ca`` means."""
        text = self.redfish_verify_ca.strip().lower()
        if text in _FALSE:
            return TLSOptions(verify=False)
        return TLSOptions(ca_file=None if text in _TRUE else self.redfish_verify_ca)

    @property
    def root(self) -> str:
        """The path of the service root, with a slash at its end."""
        return self.redfish_root_prefix.rstrip("/") + "/"

    @property
    def system_path(self) -> str | None:
        """The path of the system, or None where the only one is meant."""
        given = (self.redfish_system_id or "").strip().rstrip("/")
        if not given:
            return None
        path = quote(given, safe=PATH_CHARACTERS)
        return path if path.startswith("/") else f"{self.root}Systems/{path}"


def _with_text(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    trust = raw.get("redfish_verify_ca")
    return {**raw, "redfish_verify_ca": str(trust)} if isinstance(trust, bool) else raw


def _split(address: str) -> _Address:
    """The parts of an address that is right; ValueError says what is wrong with one that is not."""
    text = address.strip()
    if "://" not in text:
        bare = text.count(":") > 1 and not text.startswith("[")
        text = f"https://[{text}]" if bare else f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds an account; it belongs into redfish_username and redfish_password")
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"has the scheme {parts.scheme!r}")
    if not _HOST.match(host) or port == 0:
        raise ValueError("has no valid host or port")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has a path; that of the service belongs into redfish_root_prefix")
    return _Address(parts.scheme, host, port)


def _address_problem(address: str) -> str | None:
    try:
        _split(address)
    except ValueError as exc:
        said = "" if "account" in str(exc) else f"{address!r} "
        return f"{said}{exc}"
    return None
