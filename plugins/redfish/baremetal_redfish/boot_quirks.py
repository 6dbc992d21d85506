"""Table of services whose boot override differs from the specification.

A new quirk is an entry here, and a cassette that shows the failure of the driver without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class BootFlag(Enum):
    """Changes of the driver's behavior for services with a quirk. Values are descriptions."""

    MODE_WITH_TARGET = "send the boot mode with every boot target"


class BootQuirk(NamedTuple):
    """One difference of a vendor's services, and the change of the driver's behavior (*flag*) that it needs.

    The patterns are compared without regard to case; *firmware* is the version of the BIOS. *reference_url* is the public
    report of the behavior. *cassette* names the recording in ``tests/plugins/redfish/cassettes`` of such a service with
    and without the quirk.
    """

    vendor: str
    model: str
    firmware: str
    flag: BootFlag
    reference_url: str
    cassette: str


BOOT_QUIRKS: tuple[BootQuirk, ...] = (
    BootQuirk(
        vendor="super*micro*",
        model="*",
        firmware="*",
        flag=BootFlag.MODE_WITH_TARGET,
        reference_url="https://github.com/DMTF/Redfishtool/pull/106",
        cassette="boot-mode-reset-by-target",
    ),
)
"""Supermicro resets the boot mode to its default if a request sets only the target, and calls that intended."""


def find_boot_flags(system: Mapping[str, Any], quirks: tuple[BootQuirk, ...] = BOOT_QUIRKS) -> frozenset[BootFlag]:
    """Return the changes of behavior for a system, by vendor, model and BIOS version in its JSON document *system*."""
    found = [str(system.get(name) or "").strip().lower() for name in ("Manufacturer", "Model", "BiosVersion")]
    return frozenset(
        quirk.flag
        for quirk in quirks
        if all(fnmatchcase(value, pattern.lower()) for value, pattern in zip(found, quirk[:3], strict=True))
    )
