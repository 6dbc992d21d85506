"""TLS of an HTTPS server: its certificate, which can be replaced while it serves, and what it knows of a client."""

from __future__ import annotations

import logging
import os
import ssl
from typing import Any

from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError

LOG = logging.getLogger(__name__)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_CERTIFICATES = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_ATTRIBUTES = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C", "localityName": "L",
    "stateOrProvinceName": "ST", "emailAddress": "emailAddress", "domainComponent": "DC", "userId": "UID",
}  # fmt: skip

Signature = tuple[tuple[int, int, int] | None, ...]


class TLS:
    """The context of a server's connections. A new one takes its place as a whole, or not at all."""

    def __init__(self, config: APIConfig) -> None:
        self._config = config
        self.context = server_context(config)
        self._loaded = self._seen = signature(config)

    def reload(self, config: APIConfig | None = None) -> None:
        """Read the files again, for connections from now on. Where that fails the old ones stay.

        Raises ``ConfigurationError``.
        """
        wanted = config or self._config
        seen = signature(wanted)
        self.context = server_context(wanted)
        self._config, self._loaded = wanted, seen

    def follow_files(self) -> bool:
        """Reload when the files have changed and are no longer changing; tell whether that was done. Never raises."""
        seen, before = signature(self._config), self._seen
        self._seen = seen
        if seen in (self._loaded,) or seen != before:
            return False
        self._loaded = seen
        try:
            self.context = server_context(self._config)
        except ConfigurationError as exc:
            LOG.error("the certificate was changed and cannot be used; the one before it stays: %s", exc)
            return False
        LOG.info("the certificate in %s was read again", self._config.cert_file)
        return True


def server_context(config: APIConfig) -> ssl.SSLContext:
    """A context for a server with what *config* names. Raises ``ConfigurationError``, which names the option."""
    cert, key = config.cert_file, config.key_file
    if not cert:
        raise ConfigurationError("[api] cert_file: it is not set; enable_ssl_api needs a PEM file with the server's certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.tls_min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as exc:
        raise ConfigurationError(f"[api] cert_file, key_file: {cert} and {key} do not go together: {exc.reason}") from exc
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"[api] cert_file, key_file: {cert} or {key} cannot be read: {exc}") from exc
    _set_ciphers(context, config)
    _ask_for_certificates(context, config)
    return context


def signature(config: APIConfig) -> Signature:
    """What changes whenever one of the files of *config* does."""
    return tuple(_state_of(path) for path in (config.cert_file, config.key_file, config.client_ca_file))


def describe_client(sock: ssl.SSLSocket) -> dict[str, Any]:
    """What the WSGI environment tells of a TLS connection: its version and cipher, and whom its certificate names."""
    cipher = sock.cipher()
    environ: dict[str, Any] = {
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
        "SSL_PROTOCOL": sock.version() or "",
        "SSL_CIPHER": cipher[0] if cipher else "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    certificate: Any = sock.getpeercert()
    if not certificate:
        return environ
    parts = [pair for relative in certificate.get("subject", ()) for pair in relative]
    environ["SSL_CLIENT_VERIFY"] = "SUCCESS"
    environ["SSL_CLIENT_S_DN"] = ",".join(f"{_ATTRIBUTES.get(name, name)}={_escaped(value)}" for name, value in reversed(parts))
    environ["SSL_CLIENT_S_DN_CN"] = next((value for name, value in parts if name == "commonName"), "")
    environ["SSL_CLIENT_SAN"] = ",".join(f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ()))
    environ["SSL_CLIENT_M_SERIAL"] = certificate.get("serialNumber", "")
    return environ


def _no_password() -> str:
    raise ValueError("the key is encrypted; give a key without a password, readable by this service alone")


def _set_ciphers(context: ssl.SSLContext, config: APIConfig) -> None:
    if config.tls_ciphers:
        try:
            context.set_ciphers(config.tls_ciphers)
        except ssl.SSLError as exc:
            raise ConfigurationError(f"[api] tls_ciphers: OpenSSL knows none of '{config.tls_ciphers}'") from exc


def _ask_for_certificates(context: ssl.SSLContext, config: APIConfig) -> None:
    if config.client_certificates == "none":
        return
    if not config.client_ca_file:
        raise ConfigurationError(
            "[api] client_ca_file: it is not set; client_certificates needs a PEM file with their authorities"
        )
    try:
        context.load_verify_locations(config.client_ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(f"[api] client_ca_file: {config.client_ca_file} cannot be used: {exc}") from exc
    context.verify_mode = _CLIENT_CERTIFICATES[config.client_certificates]


def _state_of(path: str | None) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path) if path else None
    except OSError:
        return None
    return None if state is None else (state.st_mtime_ns, state.st_size, state.st_ino)


def _escaped(value: str) -> str:
    """*value* as RFC 4514 wants it inside a name: nothing in it can pass for another attribute."""
    escaped = "".join(f"\\{sign}" if sign in ',+"\\<>;=' else sign for sign in value if sign.isprintable())
    return f"\\{escaped}" if escaped.startswith((" ", "#")) else escaped
