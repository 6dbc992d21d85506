"""The ``redfish_*`` options of ``driver_info``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from baremetal_interfaces import DriverInfo, Endpoint, MachineAddress, Problem, TLSOptions, option
from baremetal_interfaces.addresses import format_netloc, get_host_port, parse_host, split_url
from baremetal_redfish.paths import quote_path
from baremetal_redfish.quirks import Quirk, find_unknown_quirks

_ROOT = "/redfish/v1/"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRUE_WORDS = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE_WORDS = frozenset({"false", "no", "off", "0", "f", "n"})
_ALLOWED_ADDRESS = "a host name or an IP address, with https:// or http:// before it and :port behind it as needed"


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int | None


@dataclass(frozen=True)
class RedfishInfo(DriverInfo):
    """Options of a machine whose BMC supports Redfish."""

    redfish_address: str = option("Address of the BMC: https://host[:port], http://host[:port], or a host alone for https.")
    redfish_system_id: str | None = option(
        "Computer system at this BMC: its path (/redfish/v1/Systems/1) or its identifier. Required if the BMC has several.",
        default=None,
    )
    redfish_username: str | None = option("Username of the account at the BMC; without it no login is made.", default=None)
    redfish_password: str | None = option("Password of the account at the BMC.", default=None, secret=True)
    redfish_verify_ca: str = option(
        "How to verify the BMC's certificate: true for the conductor's system-wide certificate authorities, false for no "
        "verification, or the absolute path of a PEM file or directory of certificate authorities on the conductor, below "
        "[conductor] bmc_ca_directory if that is set.",
        default="true",
    )
    redfish_auth_type: str = option(
        "How to log in: session for a Redfish session, basic for HTTP basic authentication, or auto for a session, and basic "
        "authentication if the BMC cannot create one.",
        default="auto",
        choices=("auto", "session", "basic"),
    )
    redfish_root_prefix: str = option("Path of the Redfish service root.", default=_ROOT)
    redfish_virtual_media_id: str | None = option(
        "Virtual drive for images: its path or its identifier. By default the drives for the kind of image are tried in order.",
        default=None,
    )
    redfish_quirks: str | None = option(
        "Changes of the quirks that the machine's vendor, model and firmware select, separated by commas: the name of a quirk "
        "adds it, a name after a minus sign removes it, and none removes all.",
        default=None,
    )

    @classmethod
    def problems(cls, raw: Mapping[str, Any]) -> list[Problem]:
        """Return all problems of *raw*, the node's ``driver_info``. ``redfish_verify_ca`` may also be a JSON boolean."""
        return super().problems(_with_text_verify_ca(raw))

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Return the instance for *raw*, the node's ``driver_info``. ``redfish_verify_ca`` may also be a JSON boolean.

        Raises InvalidInput with all problems.
        """
        return super().parse(_with_text_verify_ca(raw))

    def check(self) -> Iterator[Problem]:
        """Yield the problems of the address, the account, the certificate authorities, the service root and the quirks."""
        wrong = _find_address_problem(self.redfish_address)
        if wrong:
            yield Problem("driver_info/redfish_address", wrong, _ALLOWED_ADDRESS)
        yield from self._find_account_problems()
        trust = self.redfish_verify_ca
        # The file is read at the login, within its deadline: the file system may not answer.
        if trust.strip().lower() not in _TRUE_WORDS | _FALSE_WORDS and not os.path.isabs(trust):
            yield Problem(
                "driver_info/redfish_verify_ca",
                f"{trust!r} is not valid",
                "true, false, or the absolute path of a PEM file or of a directory on the conductor",
            )
        if not self.redfish_root_prefix.startswith("/"):
            yield Problem("driver_info/redfish_root_prefix", f"{self.redfish_root_prefix!r} does not begin with /", "a path")
        for word in find_unknown_quirks(self.redfish_quirks):
            allowed = f"none, or with or without a minus sign before it: {', '.join(Quirk)}"
            yield Problem("driver_info/redfish_quirks", f"{word!r} is not a quirk", allowed)

    def _find_account_problems(self) -> Iterator[Problem]:
        if self.redfish_username and not self.redfish_password:
            yield Problem("driver_info/redfish_password", "is missing", "redfish_username is given, so both are needed")
        if self.redfish_password and not self.redfish_username:
            yield Problem("driver_info/redfish_username", "is missing", "redfish_password is given, so both are needed")
        if self.redfish_username and ":" in self.redfish_username and self.redfish_auth_type == "basic":
            wrong = "contains a colon"
            yield Problem("driver_info/redfish_username", wrong, "basic authentication does not allow one; use session")
        if self.redfish_auth_type != "auto" and not self.redfish_username:
            yield Problem(
                "driver_info/redfish_auth_type",
                f"{self.redfish_auth_type} needs redfish_username and redfish_password",
                "auto works without an account",
            )

    @classmethod
    def find_machine(cls, raw: Mapping[str, Any]) -> MachineAddress | None:
        """Return the BMC's host, with its port if that is not the default, and the path of the system. None without them."""
        address = raw.get("redfish_address")
        if not isinstance(address, str):
            return None
        try:
            scheme, host, port = _parse_address(address)
            system = raw.get("redfish_system_id")
            root = str(raw.get("redfish_root_prefix") or _ROOT)
            path = _build_system_path(system if isinstance(system, str) else None, root)
        except ValueError:
            return None
        is_default = port in (None, _DEFAULT_PORTS[scheme])
        return MachineAddress(format_netloc(host.lower(), None if is_default else port), path)

    def endpoint(self) -> Endpoint:
        """Return the BMC's address, account and certificate verification."""
        scheme, host, port = _parse_address(self.redfish_address)
        return Endpoint(scheme, host, port, self.redfish_username, self.tls if scheme == "https" else None)

    @property
    def tls(self) -> TLSOptions:
        """Certificate verification according to ``redfish_verify_ca``."""
        text = self.redfish_verify_ca.strip().lower()
        if text in _FALSE_WORDS:
            return TLSOptions(verify=False)
        return TLSOptions(ca_file=None if text in _TRUE_WORDS else self.redfish_verify_ca)

    @property
    def root(self) -> str:
        """Path of the service root, with a slash at the end."""
        return self.redfish_root_prefix.rstrip("/") + "/"

    @property
    def system_path(self) -> str | None:
        """Path of the computer system from ``redfish_system_id``; None, without that option, for the BMC's only system."""
        return _build_system_path(self.redfish_system_id, self.redfish_root_prefix)


def _build_system_path(system_id: str | None, root_prefix: str) -> str | None:
    given = (system_id or "").strip().rstrip("/")
    if not given:
        return None
    path = quote_path(given)
    return path if path.startswith("/") else f"{root_prefix.rstrip('/')}/Systems/{path}"


def _with_text_verify_ca(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    trust = raw.get("redfish_verify_ca")
    return {**raw, "redfish_verify_ca": str(trust)} if isinstance(trust, bool) else raw


def _parse_address(address: str) -> _Address:
    """Return the parts of a valid address. Raises ValueError with the reason if it is invalid."""
    text = address.strip()
    if "://" not in text and text.count(":") > 1 and not text.startswith("["):
        return _Address("https", parse_host(text), None)
    try:
        parts = split_url(text if "://" in text else "https://" + text)
        host, port = get_host_port(parts)
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains an account; set redfish_username and redfish_password instead")
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"has the scheme {parts.scheme!r}")
    try:
        host = parse_host(host)
    except ValueError:
        raise ValueError("has no valid host or port") from None
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has a path; set redfish_root_prefix to the path of the service")
    return _Address(parts.scheme, host, port)


def _find_address_problem(address: str) -> str | None:
    try:
        _parse_address(address)
    except ValueError as exc:
        prefix = "" if "account" in str(exc) else f"{address!r} "
        return f"{prefix}{exc}"
    return None
