"""Where services differ about the boot override, as data: whose, which, what is done, and where the case is recorded.

A new quirk is an entry here, and a cassette that shows what goes wrong without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class BootFlag(Enum):
    """What is done differently."""

    MODE_WITH_TARGET = "the mode is sent along with every target"


class BootQuirk(NamedTuple):
    """One difference. The patterns are compared without regard to case; firmware is that of the BIOS.

    *recorded* is the public record of the case, *cassette* the name of one that holds it (``tests/redfish/cassettes``): what
    such a service answers with the quirk and without it.
    """

    vendor: str
    model: str
    firmware: str
    flag: BootFlag
    recorded: str
    cassette: str


BOOT_QUIRKS: tuple[BootQuirk, ...] = (
    BootQuirk(
        vendor="super*micro*",
        model="*",
        firmware="*",
        flag=BootFlag.MODE_WITH_TARGET,
        recorded="https://github.com/DMTF/Redfishtool/pull/106",
        cassette="mode-forgotten-with-target",
    ),
)
"""A request without the mode puts it back to the service's default there; the maker calls that intended."""


def boot_flags(system: Mapping[str, Any], quirks: tuple[BootQuirk, ...] = BOOT_QUIRKS) -> frozenset[BootFlag]:
    """What is different at *system*, a document as the service gave it."""
    found = [str(system.get(name) or "").strip().lower() for name in ("Manufacturer", "Model", "BiosVersion")]
    return frozenset(
        quirk.flag
        for quirk in quirks
        if all(fnmatchcase(value, pattern.lower()) for value, pattern in zip(found, quirk[:3], strict=True))
    )
