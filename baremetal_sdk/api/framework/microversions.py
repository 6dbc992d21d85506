"""Microversions: which ones are served, and how a request names one.

A microversion is kept as its minor number, because the major number has always been 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from baremetal_sdk.api.framework.errors import UnsupportedVersion

MINIMUM = 1
MAXIMUM = 115
SERVICE_TYPE = "baremetal"

VERSION = "X-OpenStack-Ironic-API-Version"
MINIMUM_VERSION = "X-OpenStack-Ironic-API-Minimum-Version"
MAXIMUM_VERSION = "X-OpenStack-Ironic-API-Maximum-Version"
STANDARD_VERSION = "OpenStack-API-Version"

RANGE_HEADERS = ((MINIMUM_VERSION, f"1.{MINIMUM}"), (MAXIMUM_VERSION, f"1.{MAXIMUM}"))


def format_version(minor: int) -> str:
    """A microversion as clients write it."""
    return f"1.{minor}"


def requested_minor(environ: Mapping[str, str]) -> int:
    """The microversion that a WSGI request asks for.

    The standard header names a service, ``baremetal 1.72``, and comes before the older one, ``1.72``. Either may say
    ``latest``; without both it is the lowest one. Raises ``UnsupportedVersion``.
    """
    standard = environ.get("HTTP_OPENSTACK_API_VERSION")
    named = _of_this_service(standard) if standard else None
    if named is None:
        named = environ.get("HTTP_X_OPENSTACK_IRONIC_API_VERSION")
    return MINIMUM if named is None else parse_version(named)


def _of_this_service(header: str) -> str | None:
    found = None
    for entry in header.split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == SERVICE_TYPE:
            found = version.strip()
    return found


@lru_cache(maxsize=256)
def parse_version(named: str) -> int:
    """The minor number of ``1.72`` or ``latest``. Raises ``UnsupportedVersion``."""
    if named.strip().lower() == "latest":
        return MAXIMUM
    major, dot, minor = named.strip().partition(".")
    if not (dot and _is_number(major) and _is_number(minor)):
        raise UnsupportedVersion(f"{VERSION}: {named[:32]!r} is no version; it has the form 1.{MAXIMUM} or is 'latest'")
    if int(major) != 1 or not MINIMUM <= int(minor) <= MAXIMUM:
        raise UnsupportedVersion(
            f"Version {major}.{minor} was requested, which is not supported by this service. "
            f"The supported version range is: [1.{MINIMUM}, 1.{MAXIMUM}]."
        )
    return int(minor)


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 6
