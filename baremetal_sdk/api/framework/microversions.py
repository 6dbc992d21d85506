"""Microversions of the API: the range that the service supports, and the parsing of the headers that request one.

The code uses the minor number only, because the major number is always 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from baremetal_sdk.api.framework.errors import UnsupportedVersion

MINIMUM = 1
"""The minor number of the lowest microversion that the service supports."""
MAXIMUM = 115
"""The minor number of the highest microversion that the service supports."""
SERVICE_TYPE = "baremetal"

VERSION_HEADER = "X-OpenStack-Ironic-API-Version"
MINIMUM_VERSION_HEADER = "X-OpenStack-Ironic-API-Minimum-Version"
MAXIMUM_VERSION_HEADER = "X-OpenStack-Ironic-API-Maximum-Version"
STANDARD_VERSION_HEADER = "OpenStack-API-Version"

RANGE_HEADERS = ((MINIMUM_VERSION_HEADER, f"1.{MINIMUM}"), (MAXIMUM_VERSION_HEADER, f"1.{MAXIMUM}"))


def format_version(minor: int) -> str:
    """Return a microversion in the form of the headers, such as ``1.72``."""
    return f"1.{minor}"


def parse_request_version(environ: Mapping[str, str]) -> int:
    """Return the minor number of the microversion that a WSGI request names.

    The standard header names a service, as in ``baremetal 1.72``. It takes precedence over Ironic's header, as in
    ``1.72``. Either may be ``latest``. Without both the lowest microversion applies. Raises ``UnsupportedVersion``.
    """
    standard_header = environ.get("HTTP_OPENSTACK_API_VERSION")
    named = _find_own_entry(standard_header) if standard_header else None
    if named is None:
        named = environ.get("HTTP_X_OPENSTACK_IRONIC_API_VERSION")
    return MINIMUM if named is None else parse_version(named)


def _find_own_entry(header: str) -> str | None:
    version_text = None
    for entry in header.split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == SERVICE_TYPE:
            version_text = version.strip()
    return version_text


@lru_cache(maxsize=256)
def parse_version(named: str) -> int:
    """Return the minor number of a version such as ``1.72``, or of ``latest``. Raises ``UnsupportedVersion``."""
    if named.strip().lower() == "latest":
        return MAXIMUM
    major, dot, minor = named.strip().partition(".")
    if not (dot and _is_number(major) and _is_number(minor)):
        raise UnsupportedVersion(f"{VERSION_HEADER}: {named[:32]!r} is not a version; use the form 1.{MAXIMUM} or 'latest'")
    if int(major) != 1 or not MINIMUM <= int(minor) <= MAXIMUM:
        raise UnsupportedVersion(
            f"Version {major}.{minor} was requested, which is not supported by this service. "
            f"The supported version range is: [1.{MINIMUM}, 1.{MAXIMUM}]."
        )
    return int(minor)


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 6
