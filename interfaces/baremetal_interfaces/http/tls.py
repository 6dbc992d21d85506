"""TLS contexts for the TLS options of an endpoint."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.errors import DeadlineExceeded, InvalidInput
from baremetal_interfaces.http.abandonable import AbandonableCalls
from baremetal_interfaces.http.certificate_files import TLSFiles, read_tls_files, unusable_authorities, unusable_identity

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_READ_TIMEOUT_S = 10.0
_MAX_READS = 32
"""Maximum number of reads of certificate files at the same time. More than a few only run while a file system hangs."""
_reads: AbandonableCalls[TLSFiles] = AbandonableCalls("read certificates", _MAX_READS)


def tls_context(options: TLSOptions, deadline: Deadline | None = None, *, ca_directory: str | None = None) -> ssl.SSLContext:
    """Return a client's TLS context for *options*, with its certificate files read by *deadline*, by default within 10 seconds.

    Creation is slow, and a context is thread-safe: create one for each distinct value of *options* and share it. If
    *ca_directory* is given, files of certificate authorities have to be below it. Raises
    :class:`~baremetal_interfaces.errors.InvalidInput` for an unusable file or an unknown TLS version or cipher, and
    :class:`~baremetal_interfaces.errors.DeadlineExceeded` if a file system does not answer in time.
    """
    files = read_files_until(options, deadline or Deadline.after(_READ_TIMEOUT_S), ca_directory=ca_directory)
    return build_context(options, files, ca_directory=ca_directory)


def read_files_until(options: TLSOptions, deadline: Deadline, *, ca_directory: str | None = None) -> TLSFiles:
    """Read the files that *options* name as :func:`tls_context` does. Nothing is read if they name none."""
    if options.client_cert is None and (options.ca_file is None or not options.verify):
        return TLSFiles()
    try:
        return _reads.run((options, ca_directory), lambda: read_tls_files(options, ca_directory), deadline)
    except TimeoutError as exc:
        raise DeadlineExceeded(
            f"the certificate file {options.ca_file or options.client_cert!r} was not read in time: {exc}; check its file system"
        ) from None


def build_context(options: TLSOptions, files: TLSFiles, *, ca_directory: str | None = None) -> ssl.SSLContext:
    """Return a client's TLS context for *options* with the contents *files*. No file that *options* names is opened.

    Raises :class:`~baremetal_interfaces.errors.InvalidInput` as :func:`tls_context` does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.minimum_version is not None:
        context.minimum_version = _version(options.minimum_version)
    if options.ciphers is not None:
        try:
            context.set_ciphers(options.ciphers)
        except ssl.SSLError as exc:
            raise InvalidInput(f"the ciphers {options.ciphers!r} cannot be used: {exc}") from None
    _trust(context, options, files, ca_directory)
    if options.client_cert is not None and files.identity is not None:
        try:
            with _as_file(files.identity) as path:
                # Without the function, OpenSSL would ask for the passphrase of an encrypted key at the terminal.
                context.load_cert_chain(path, password=lambda: b"")
        except (OSError, ssl.SSLError) as exc:
            raise unusable_identity(options.client_cert, exc) from exc
    return context


def _trust(context: ssl.SSLContext, options: TLSOptions, files: TLSFiles, ca_directory: str | None) -> None:
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca_file is None:
        context.load_default_certs()
    else:
        failure: Exception = ValueError("it contains no certificate")
        is_usable = False
        for content in files.authorities:
            try:
                # Text between the certificates may be in any encoding, and OpenSSL skips it.
                context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
                is_usable = True
            except (ssl.SSLError, ValueError) as exc:
                failure = exc
        if not is_usable:
            raise unusable_authorities(options.ca_file, ca_directory, failure) from failure


def _version(name: str) -> ssl.TLSVersion:
    try:
        return _VERSIONS[name]
    except KeyError:
        raise InvalidInput(f"the TLS version {name!r} is not known; allowed: {', '.join(_VERSIONS)}") from None


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Provide the path of a file with *content*, in memory if the system can: OpenSSL reads a client certificate by its path."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
