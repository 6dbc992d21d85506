"""Table of services that differ from the specification or from other services, and the changes of behavior that they need.

A new quirk is a member of :class:`Quirk`, with the behavior where it applies, and an entry of the table for each make that
needs it. Most differences need no entry, because the driver tries another form of a request if the first one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class Quirk(StrEnum):
    """Changes of the driver's behavior. The values are their names in ``driver_info/redfish_quirks``."""

    BOOT_MODE_WITH_TARGET = "boot-mode-with-target"
    """Send the boot mode with every boot device."""

    BOOT_FULL_OVERRIDE = "boot-full-override"
    """Send target, duration and mode of the boot override together, whichever of them changes."""

    BOOT_WITHOUT_MODE = "boot-without-mode"
    """Never send the boot mode with a boot device."""

    BOOT_ONCE_ONLY = "boot-once-only"
    """Set a persistent boot device for one boot, and again before each power-on."""

    BOOT_CD_AS_USB_CD = "boot-cd-as-usb-cd"
    """Boot virtual media as ``UsbCd`` if the system allows that, although it allows ``Cd`` too."""


class QuirkRule(NamedTuple):
    """One make of services that needs *quirk*.

    The patterns are compared with ``Manufacturer``, ``Model`` and ``BiosVersion`` of the system, without regard to case.
    *source_url* is the public report of the behavior. *cassette* names the recording in
    ``tests/plugins/redfish/cassettes`` of such a service with and without the quirk; None if only a scripted service shows it.
    """

    vendor: str
    model: str
    firmware: str
    quirk: Quirk
    source_url: str
    cassette: str | None = None


_IRONIC_NOTES = "https://opendev.org/openstack/ironic/src/branch/master/releasenotes/notes/"
_FULL_OVERRIDE_URL = f"{_IRONIC_NOTES}redfish-full-boot-payload-asrockrack-79a9291da8ec5a50.yaml"
_FULL_REQUEST_URL = f"{_IRONIC_NOTES}fix-redfish-boot-device-full-request-6ff0ee231ee6e663.yaml"

QUIRK_RULES: tuple[QuirkRule, ...] = (
    # Supermicro resets the boot mode to its default if a request sets only the target, and calls that intended.
    QuirkRule(
        "super*micro*",
        "*",
        "*",
        Quirk.BOOT_MODE_WITH_TARGET,
        "https://github.com/DMTF/Redfishtool/pull/106",
        "boot-mode-reset-by-target",
    ),
    # Its X11 and X12 machines present virtual media as a USB CD, and fail to boot them as a CD.
    QuirkRule(
        "super*micro*",
        "*",
        "*",
        Quirk.BOOT_CD_AS_USB_CD,
        "https://opendev.org/openstack/sushy/src/branch/master/sushy/resources/system/system.py",
    ),
    QuirkRule("asrock*rack*", "*", "*", Quirk.BOOT_FULL_OVERRIDE, _FULL_OVERRIDE_URL),
    QuirkRule("ami", "*", "*", Quirk.BOOT_FULL_OVERRIDE, _FULL_REQUEST_URL),
    QuirkRule("ami *", "*", "*", Quirk.BOOT_FULL_OVERRIDE, _FULL_REQUEST_URL),
    QuirkRule("american megatrends*", "*", "*", Quirk.BOOT_FULL_OVERRIDE, _FULL_REQUEST_URL),
)
"""The makes with quirks."""

_NONE = "none"
_REMOVE = "-"


def find_quirks(system: Mapping[str, Any], rules: Iterable[QuirkRule] = QUIRK_RULES) -> frozenset[Quirk]:
    """Return the quirks of a system, by vendor, model and BIOS version in its JSON document *system*."""
    found = [str(system.get(name) or "").strip().lower() for name in ("Manufacturer", "Model", "BiosVersion")]
    return frozenset(
        rule.quirk
        for rule in rules
        if all(fnmatchcase(value, pattern.lower()) for value, pattern in zip(found, rule[:3], strict=True))
    )


def choose_quirks(system: Mapping[str, Any], changes: str | None) -> frozenset[Quirk]:
    """Return the quirks of a system after *changes*, the node's ``redfish_quirks``."""
    chosen = set(find_quirks(system))
    for word in _split(changes):
        if word == _NONE:
            chosen.clear()
        elif word.startswith(_REMOVE):
            chosen.discard(Quirk(word.removeprefix(_REMOVE)))
        else:
            chosen.add(Quirk(word))
    return frozenset(chosen)


def find_unknown_quirks(changes: str | None) -> list[str]:
    """Return the words of ``redfish_quirks`` that are no quirks."""
    return [word for word in _split(changes) if word != _NONE and word.removeprefix(_REMOVE) not in set(Quirk)]


def _split(changes: str | None) -> list[str]:
    return [word.strip().lower() for word in (changes or "").split(",") if word.strip()]
