"""TLS of the HTTPS server: the certificate, its reload at run time, and the WSGI variables of client certificates."""

from __future__ import annotations

import os
import ssl
from typing import Any

from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_CERTIFICATES = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_ATTRIBUTES = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C", "localityName": "L",
    "stateOrProvinceName": "ST", "emailAddress": "emailAddress", "domainComponent": "DC", "userId": "UID",
}  # fmt: skip

FileSignature = tuple[tuple[int, int, int] | None, ...]
"""Modification time, size and inode of each file. None stands for a missing file."""


class TLS:
    """Holder of the TLS context for new connections. A reload replaces the whole context, or nothing if a file is invalid.

    Thread-safe: connections read the attribute ``context`` once, at the start of their handshake.
    """

    def __init__(self, config: APIConfig) -> None:
        self._config = config
        self.context = build_server_context(config)
        self._loaded_signature = self._seen_signature = compute_signature(config)

    def reload(self, config: APIConfig | None = None) -> None:
        """Read the certificate files again for new connections. *config* replaces the TLS options.

        Raises ``ConfigurationError`` and keeps the old context if a file is invalid.
        """
        new_config = config or self._config
        # Before the files are read: a change during the read is then noticed as a change.
        new_signature = compute_signature(new_config)
        self.context = build_server_context(new_config)
        self._config, self._loaded_signature = new_config, new_signature

    def reload_if_changed(self) -> bool:
        """Reload if the files have changed since they were loaded. Return whether the reload succeeded. Never raises.

        Two calls in a row have to see the same files, because certificate and key are usually replaced one after the other.
        """
        signature, previous = compute_signature(self._config), self._seen_signature
        self._seen_signature = signature
        if signature == self._loaded_signature or signature != previous:
            return False
        self._loaded_signature = signature
        try:
            self.context = build_server_context(self._config)
        except ConfigurationError as exc:
            LOG.error("the changed certificate cannot be used and the server keeps the old one: %s", exc)
            return False
        LOG.info("reloaded the certificate in %s", self._config.cert_file)
        return True


def build_server_context(config: APIConfig) -> ssl.SSLContext:
    """Return a server context for the files and options of *config*. Raises ``ConfigurationError``, which names the option."""
    cert, key = config.cert_file, config.key_file
    if not cert:
        raise ConfigurationError(
            "[api] cert_file: it is not set; set it to a PEM file with the server's certificate, or disable enable_ssl_api"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.tls_min_version]
    # Without renegotiation a client cannot make the server repeat the costly part of a handshake. Compression can reveal
    # secrets through the length of messages (RFC 9325, section 3.3).
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except ssl.SSLError as exc:
        raise ConfigurationError(
            f"[api] cert_file, key_file: {cert} and {key} do not belong together ({exc.reason}); set both to one pair"
        ) from exc
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"[api] cert_file, key_file: {cert} or {key} cannot be read: {exc}") from exc
    _set_ciphers(context, config)
    _request_certificates(context, config)
    return context


def compute_signature(config: APIConfig) -> FileSignature:
    """Return a value that changes when one of the files of *config* changes."""
    return tuple(_stat_file(path) for path in (config.cert_file, config.key_file, config.client_ca_file))


def describe_client(sock: ssl.SSLSocket) -> dict[str, Any]:
    """Return the WSGI variables of a TLS connection: protocol, cipher, and the names in the client's certificate."""
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
    environ["SSL_CLIENT_S_DN"] = ",".join(f"{_ATTRIBUTES.get(name, name)}={_escape(value)}" for name, value in reversed(parts))
    environ["SSL_CLIENT_S_DN_CN"] = next((value for name, value in parts if name == "commonName"), "")
    environ["SSL_CLIENT_SAN"] = ",".join(f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ()))
    environ["SSL_CLIENT_M_SERIAL"] = certificate.get("serialNumber", "")
    return environ


def _refuse_password() -> str:
    """Raise ``ValueError`` for an encrypted key. Without this callback, OpenSSL would ask for the password on the terminal."""
    raise ValueError("the key is encrypted; use a key without a password that only this service can read")


def _set_ciphers(context: ssl.SSLContext, config: APIConfig) -> None:
    if config.tls_ciphers:
        try:
            context.set_ciphers(config.tls_ciphers)
        except ssl.SSLError as exc:
            raise ConfigurationError(
                f"[api] tls_ciphers: OpenSSL supports none of '{config.tls_ciphers}'; correct the list"
            ) from exc


def _request_certificates(context: ssl.SSLContext, config: APIConfig) -> None:
    if config.client_certificates == "none":
        return
    if not config.client_ca_file:
        raise ConfigurationError(
            "[api] client_ca_file: it is not set; client_certificates needs a PEM file with the authorities of the clients"
        )
    try:
        context.load_verify_locations(config.client_ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(f"[api] client_ca_file: {config.client_ca_file} cannot be used: {exc}") from exc
    context.verify_mode = _CLIENT_CERTIFICATES[config.client_certificates]


def _stat_file(path: str | None) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path) if path else None
    except OSError:
        return None
    return None if state is None else (state.st_mtime_ns, state.st_size, state.st_ino)


def _escape(value: str) -> str:
    """Return *value* escaped for a distinguished name (RFC 4514, section 2.4), so that it cannot forge another attribute."""
    escaped = "".join(f"\\{char}" if char in ',+"\\<>;=' else char for char in value if char.isprintable())
    return f"\\{escaped}" if escaped.startswith((" ", "#")) else escaped
