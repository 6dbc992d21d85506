"""TLS contexts for the TLS options of an endpoint."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.errors import InvalidInput

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def tls_context(options: TLSOptions) -> ssl.SSLContext:
    """Return a client's TLS context for *options*.

    Creation is slow, and a context is thread-safe: create one for each distinct value of *options* and share it. Raises
    :class:`~baremetal_interfaces.errors.InvalidInput` for an unreadable file or an unknown TLS version or cipher.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.minimum_version is not None:
        context.minimum_version = _version(options.minimum_version)
    if options.ciphers is not None:
        _apply("the ciphers", options.ciphers, lambda: context.set_ciphers(options.ciphers or ""))
    _trust(context, options)
    if options.client_cert is not None:
        cert, key = options.client_cert, options.client_key
        _apply("the client certificate", cert, lambda: context.load_cert_chain(cert, key))
    return context


def _trust(context: ssl.SSLContext, options: TLSOptions) -> None:
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return
    if options.ca_file is None:
        context.load_default_certs()
        return
    path = options.ca_file
    if os.path.isdir(path):
        _apply("the CA directory", path, lambda: context.load_verify_locations(capath=path))
    else:
        _apply("the CA file", path, lambda: context.load_verify_locations(cafile=path))


def _version(name: str) -> ssl.TLSVersion:
    try:
        return _VERSIONS[name]
    except KeyError:
        raise InvalidInput(f"the TLS version {name!r} is not known; allowed: {', '.join(_VERSIONS)}") from None


def _apply(what: str, value: str, act: Callable[[], None]) -> None:
    try:
        act()
    except (OSError, ssl.SSLError) as exc:
        raise InvalidInput(f"{what} {value!r} cannot be used: {exc}") from None
