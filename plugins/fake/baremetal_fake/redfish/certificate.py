"""Self-signed certificates for the HTTPS of a test service, made with the cryptography library or the ``openssl`` command."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

VALIDITY_DAYS = 30
"""Default validity of a certificate in days."""
MAX_NAMES = 200
"""Maximum number of names in a certificate. A client may refuse a certificate with thousands of names."""
_OPENSSL_TIMEOUT_S = 60


class Certificate(NamedTuple):
    """The paths of two PEM files: a certificate and its private key."""

    path: str
    key: str


class CertificateError(Exception):
    """Error raised when a certificate cannot be made, because a tool is missing or failed."""


def make_certificate(directory: str | os.PathLike[str], hosts: Sequence[str], days: float = VALIDITY_DAYS) -> Certificate:
    """Make a self-signed certificate and its private key in *directory*, and return the paths of both files.

    The certificate names the first 200 of *hosts* (IP addresses and DNS names) and is valid for *days* from now. With a
    negative *days*, the certificate has expired already; a negative or fractional number needs the cryptography library.
    Raises CertificateError if neither tool is installed, or if ``openssl`` fails.
    """
    hosts = hosts[:MAX_NAMES]
    certificate, key = Path(directory) / "bmc.crt", Path(directory) / "bmc.key"
    key.touch(mode=0o600)
    try:
        _make_with_cryptography(certificate, key, hosts, days)
    except ImportError:
        if days != int(days) or days < 1:
            raise CertificateError(
                f"cannot make a certificate for {days:g} days: openssl cannot do that; install the cryptography library"
            ) from None
        _make_with_openssl(certificate, key, hosts, int(days))
    return Certificate(str(certificate), str(key))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _make_with_openssl(certificate: Path, key: Path, hosts: Sequence[str], days: int) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise CertificateError(
            "cannot make a certificate for TLS: no tool is installed; install the cryptography library or the openssl command"
        )
    names = ",".join(f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts)
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", str(days), "-subj", "/CN=simulated BMC", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_OPENSSL_TIMEOUT_S)
    if result.returncode:
        raise CertificateError(f"cannot make a certificate for TLS: openssl failed: {result.stderr.strip()}")


def _make_with_cryptography(certificate: Path, key: Path, hosts: Sequence[str], days: float) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated BMC")])
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host) for host in hosts
    ]
    builder = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(min(now, ends) - datetime.timedelta(hours=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    pem = serialization.Encoding.PEM
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(pem, form, nothing))
    certificate.write_bytes(builder.sign(private, hashes.SHA256()).public_bytes(pem))
