"""Hosts, ports and URLs: one place that builds and takes apart addresses.

An IPv6 address stands in brackets in a URL, where the percent sign before its zone is quoted (RFC 6874). In options it
stands with or without them. Everywhere else, a host has neither brackets nor quoted characters.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?\Z")
_ZONE = re.compile(r"[A-Za-z0-9._~-]+\Z")
_MAX_PORT = 65535


class HostPort(NamedTuple):
    """A host without brackets, and its port or None."""

    host: str
    port: int | None = None


def format_host(host: str) -> str:
    """Return *host* as a URL contains it: an IPv6 address in brackets, with its zone quoted."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def format_netloc(host: str, port: int | None = None) -> str:
    """Return *host* and *port* as a URL contains them. Without a port the result is the host alone."""
    return f"{format_host(host)}:{port}" if port else format_host(host)


def build_url(scheme: str, host: str, port: int | None = None, path: str = "") -> str:
    """Return the URL of *path*, which is quoted already and begins with a slash, at *host*."""
    return f"{scheme}://{format_netloc(host, port)}{path}"


def parse_host(text: str) -> str:
    """Return the host in *text*: a name, or an IP address, which may be an IPv6 address in brackets.

    Raises ValueError, whose message continues a sentence that begins with the text, if it is neither.
    """
    host = text.strip()
    if host.startswith("[") and host.endswith("]"):
        host = _parse_ipv6(host[1:-1])
    elif ":" in host:
        host = _parse_ipv6(host)
    elif not _HOST_NAME.match(host):
        raise ValueError("is neither a host name nor an IP address")
    return host


def parse_host_port(text: str) -> HostPort:
    """Return the host and the port in *text*, such as ``host``, ``host:80``, ``::1``, ``[::1]`` or ``[::1]:80``.

    Raises ValueError with the reason if one of them is not valid.
    """
    text = text.strip()
    if text.count(":") > 1 and not text.startswith("["):
        return HostPort(parse_host(text))
    if not text.startswith("[") or text.endswith("]"):
        host, colon, port = (text, "", "") if text.startswith("[") else text.partition(":")
    else:
        inner, bracket, rest = text.partition("]")
        host, (_, colon, port) = inner + bracket, rest.partition(":")
        if not rest.startswith(":"):
            raise ValueError("has characters behind the brackets that are not a port")
    return HostPort(parse_host(host), _parse_port(port) if colon else None)


def split_url(url: str) -> SplitResult:
    """Return the parts of *url*. Raises ValueError if it cannot be taken apart, or its port is not a number from 1 to 65535."""
    parts = urlsplit(url)
    if parts.port == 0:
        raise ValueError("has port 0")
    return parts


def get_host_port(parts: SplitResult) -> HostPort:
    """Return the host of a URL's parts, without brackets and with its zone unquoted, and its port or None.

    The host is empty if the URL has none. Raises ValueError if the port is not valid.
    """
    host, percent, zone = (parts.hostname or "").partition("%")
    # RFC 6874 quotes the percent sign; many programs, such as curl, accept it unquoted as well.
    zone = zone.removeprefix("25") if percent and len(zone) > len("25") else zone
    return HostPort(host + percent + unquote(zone), parts.port)


def is_http_url(text: str) -> bool:
    """Return whether *text* is an http or https URL with a host and a valid port."""
    try:
        parts = split_url(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def get_url_path(url: str) -> str | None:
    """Return the path of *url*, which may be a path alone, or None if the URL cannot be taken apart."""
    try:
        return urlsplit(url).path
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Return whether *host*, a name or an IP address with or without brackets, is reachable from this machine only."""
    try:
        address = ipaddress.ip_address(parse_host(host).partition("%")[0])
    except ValueError:
        return host.strip().lower().rstrip(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _parse_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    zone = zone.removeprefix("25") if len(zone) > len("25") else zone
    try:
        # One spelling for each address, because limits and sessions are kept by host.
        address = str(ipaddress.IPv6Address(address))
    except ValueError:
        raise ValueError("is not an IPv6 address") from None
    if percent and not _ZONE.match(zone):
        raise ValueError("has an IPv6 address whose zone is not the name of a network interface")
    return address + percent + zone


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= _MAX_PORT:
        raise ValueError(f"has a port that is not a number from 1 to {_MAX_PORT}")
    return int(text)
