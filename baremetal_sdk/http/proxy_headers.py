"""Middleware for the headers with which a trusted reverse proxy describes its client."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNIX = "unix"
"""Entry of the trusted proxies that stands for all peers on a unix socket."""
_HOST = re.compile(r"[0-9A-Za-z.\-_~]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,64}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]{1,64}){1,8}")
_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PREFIX",
)
_IGNORED_HEADER = "HTTP_FORWARDED"


class ProxyHeaders:
    """WSGI middleware that applies X-Forwarded-For, -Proto, -Host and -Prefix of trusted proxies to the environment.

    It removes the headers from every request, so that no application trusts the headers of other clients. Of several
    values of -Proto, -Host and -Prefix the last one counts, because the nearest proxy wrote it. X-Forwarded-For is searched
    from its end. Raises ``ConfigurationError`` for an invalid entry of *trusted*.
    """

    def __init__(self, app: WSGIApplication, trusted: Iterable[str]) -> None:
        self._app = app
        self._trusts_unix = False
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for name in trusted:
            self._add_trusted(name)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Remove the proxy headers, apply those of a trusted proxy, then call the application."""
        environ.pop(_IGNORED_HEADER, None)
        headers = {name: environ.pop(name) for name in _HEADERS if name in environ}
        if headers and self._is_trusted(environ.get("REMOTE_ADDR", "")):
            last_values = {name: value.rpartition(",")[2].strip() for name, value in headers.items()}
            self._apply(environ, last_values, headers.get(_HEADERS[0], ""))
        return self._app(environ, start_response)

    def _add_trusted(self, name: str) -> None:
        if name == UNIX:
            self._trusts_unix = True
            return
        try:
            self._networks.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            raise ConfigurationError(
                f"[api] trusted_proxies: '{name}' is not an address or a network; use values such as 192.0.2.7, 192.0.2.0/24 "
                "or unix"
            ) from None

    def _is_trusted(self, peer: str) -> bool:
        if not peer:
            return self._trusts_unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _apply(self, environ: dict[str, Any], headers: dict[str, str], chain: str) -> None:
        """Replace the client, scheme, host and path prefix in *environ* by the values of *headers*. Ignore invalid values.

        *headers* has the last value of each header, and *chain* the complete value of X-Forwarded-For.
        """
        client = self._find_client([part.strip() for part in chain.split(",") if part.strip()])
        if client is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client, ""
        scheme = headers.get("HTTP_X_FORWARDED_PROTO", "").lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        host = headers.get("HTTP_X_FORWARDED_HOST", "")
        if _HOST.fullmatch(host):
            environ["HTTP_HOST"] = host
        prefix = headers.get("HTTP_X_FORWARDED_PREFIX", "")
        if _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix

    def _find_client(self, chain: Sequence[str]) -> str | None:
        """Return the last address in *chain* that is not a trusted proxy, or the first one if all are trusted.

        A client can forge all addresses before it. The search ends at an invalid address. None means that the
        chain is empty or that its last entry is invalid.
        """
        client = None
        for part in reversed(chain):
            try:
                ipaddress.ip_address(part)
            except ValueError:
                break
            client = part
            if not self._is_trusted(part):
                break
        return client
