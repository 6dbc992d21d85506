"""What a proxy says of the client behind it, believed where the proxy is one of ours."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNIX = "unix"
"""Stands among trusted proxies for whoever connects through a unix socket."""
_HOST = re.compile(r"[0-9A-Za-z.\-_~]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,64}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]{1,64}){1,8}")
_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PREFIX",
)
_NOT_READ = "HTTP_FORWARDED"


class ProxyHeaders:
    """Puts X-Forwarded-For, -Proto, -Host and -Prefix of a trusted proxy where WSGI has what they tell.

    From anybody else they are dropped, so that nothing behind this believes them. Of several values the last counts: it is
    the one that our own proxy wrote.
    """

    def __init__(self, app: WSGIApplication, trusted: Iterable[str]) -> None:
        self._app = app
        self._unix = False
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for name in trusted:
            self._trust(name)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        environ.pop(_NOT_READ, None)
        told = {name: environ.pop(name) for name in _HEADERS if name in environ}
        if told and self._is_trusted(environ.get("REMOTE_ADDR", "")):
            self._believe(environ, {name: _last(value) for name, value in told.items()}, told.get(_HEADERS[0], ""))
        return self._app(environ, start_response)

    def _trust(self, name: str) -> None:
        if name == UNIX:
            self._unix = True
            return
        try:
            self._networks.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            raise ConfigurationError(
                f"[api] trusted_proxies: '{name}' is no address and no network; give 192.0.2.7, 192.0.2.0/24 or unix"
            ) from None

    def _is_trusted(self, peer: str) -> bool:
        if not peer:
            return self._unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _believe(self, environ: dict[str, Any], told: dict[str, str], chain: str) -> None:
        client = self._client([part.strip() for part in chain.split(",") if part.strip()])
        if client is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client, ""
        scheme = told.get("HTTP_X_FORWARDED_PROTO", "").lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        host = told.get("HTTP_X_FORWARDED_HOST", "")
        if _HOST.fullmatch(host):
            environ["HTTP_HOST"] = host
        prefix = told.get("HTTP_X_FORWARDED_PREFIX", "")
        if _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix

    def _client(self, chain: Sequence[str]) -> str | None:
        """The first address, seen from us, that is none of our proxies; what stands before it anybody can have written."""
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


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip()
