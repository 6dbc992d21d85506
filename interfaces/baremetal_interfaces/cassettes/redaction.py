"""Replacement of data that identifies a machine or its owner, consistently across a cassette."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_interfaces.faults import scrub

_MAC = re.compile(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")
_IPV4 = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?!\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:)+:[0-9A-Fa-f:]*(?![\w:])"
)
_UUID = re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b")
_NAMES = re.compile(
    r"serial|assettag|hostname|fqdn|domainname|macaddress|wwn|durablename|partnumber|username|\bsku\b|email|location\b", re.I
)
_SECRETS = re.compile(r"password|token|secret|community|authkey|privkey", re.I)
_VERSIONS = re.compile(r"version|firmware", re.I)


class Redaction:
    """The replacements of one cassette: equal values get equal replacements. *secrets* are masked everywhere.

    IP addresses, MAC addresses, UUIDs, host names, serial numbers and tags are replaced by made-up values of the same form.
    *given* maps known values, such as the address of the BMC, to their replacements.
    """

    def __init__(self, secrets: Iterable[str] = (), given: Mapping[str, str] | None = None) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._replacements: dict[str, str] = dict(given or {})
        self._counts: dict[str, int] = {}

    def value(self, value: Any, name: str = "") -> Any:
        """Return a copy of a JSON *value* without identifying data. *name* is its key in the object that contains it."""
        if isinstance(value, Mapping):
            return {self.text(key): self.value(element, key) for key, element in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(element, name) for element in value]
        if not isinstance(value, str) or not value:
            return value
        if _SECRETS.search(name) and not value.startswith("/"):
            return "redacted"
        if _NAMES.search(name) and not value.startswith(("/", "http")) and not _MAC.fullmatch(value):
            return self._find_replacement(value, "name")
        return self.text(value, versions=bool(_VERSIONS.search(name)))

    def text(self, text: str, versions: bool = False) -> str:
        """Return *text* without identifying data. With *versions*, dotted numbers are version numbers and stay."""
        text = scrub(text, self._secrets)
        for known in sorted(self._replacements, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.-]){re.escape(known)}(?![\w-])", self._replacements[known], text)
        patterns = [(_UUID, "uuid"), (_MAC, "mac"), (_IPV6, "ipv6"), *([] if versions else [(_IPV4, "ipv4")])]
        for pattern, form in patterns:
            text = pattern.sub(lambda found, form=form: self._find_replacement(found[0], form), text)  # type: ignore[misc]
        return text

    def _find_replacement(self, value: str, form: str) -> str:
        key = value.lower() if form in ("mac", "uuid", "ipv6") else value
        if key in self._replacements.values() or value in self._replacements.values():
            return value
        if key not in self._replacements:
            number = self._counts[form] = self._counts.get(form, 0) + 1
            self._replacements[key] = _FORMS[form](number)
        found = self._replacements[key]
        if form == "mac" and "-" in value:
            found = found.replace(":", "-")
        return found.upper() if form in ("mac", "uuid") and value.upper() == value and value.lower() != value else found


_FORMS = {
    "name": lambda number: f"REDACTED{number:04d}",
    "mac": lambda number: f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
    "ipv4": lambda number: f"192.0.2.{number % 254 + 1}" if number < 254 else f"198.51.100.{number % 254 + 1}",
    "ipv6": lambda number: f"2001:db8::{number:x}",
    "uuid": lambda number: f"00000000-0000-4000-8000-{number:012x}",
}
"""Form of value -> its replacement by number. Addresses come from the documentation ranges of RFC 5737 and RFC 3849."""
