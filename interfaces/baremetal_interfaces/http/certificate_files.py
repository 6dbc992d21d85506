"""Reads of the certificate files that TLS options name: only regular files, and only up to a limit of size.

The options may come from a client of the service. A device, a FIFO or an endless file would otherwise block its caller, and the
errors would tell the client which paths exist.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.errors import InvalidInput

MAX_FILE_BYTES = 1024 * 1024
"""Maximum size of a certificate file."""
MAX_DIRECTORY_FILES = 1000
"""Maximum number of files that are read from a directory of certificates."""
MAX_DIRECTORY_BYTES = 4 * MAX_FILE_BYTES
"""Maximum size of all files that are read from a directory of certificates."""

_MAX_LISTED_ENTRIES = 20_000
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]{1,4}\Z")
"""Names of the files that OpenSSL reads in a directory of certificates: the hash of the subject, and a number."""
_LOG = logging.getLogger(__name__)


class TLSFiles(NamedTuple):
    """The contents of the files that TLS options name."""

    authorities: tuple[bytes, ...] = ()
    """Files with certificates of authorities: one, or those of a directory."""
    identity: bytes | None = None
    """The client certificate, followed by its key."""


def read_tls_files(options: TLSOptions, ca_directory: str | None = None) -> TLSFiles:
    """Read the files that *options* name. The call blocks as long as the file system does.

    If *ca_directory* is given, files of certificate authorities have to be below it. Raises
    :class:`~baremetal_interfaces.errors.InvalidInput` for an unusable path. Its text is the same whether the path does not exist,
    is not readable, or is no certificate. The log and the ``__cause__`` of the error have the reason.
    """
    authorities: tuple[bytes, ...] = ()
    if options.verify and options.ca_file is not None:
        try:
            if ca_directory is not None and not _is_below(options.ca_file, ca_directory):
                raise ValueError(f"it is not below {ca_directory}")
            authorities = tuple(_read_authorities(options.ca_file))
        except (OSError, ValueError) as exc:
            raise unusable_authorities(options.ca_file, ca_directory, exc) from exc
    identity = None
    if options.client_cert is not None:
        try:
            parts = [_read_file(path) for path in (options.client_cert, options.client_key) if path is not None]
            identity = b"\n".join(parts)
        except (OSError, ValueError) as exc:
            raise unusable_identity(options.client_cert, exc) from exc
    return TLSFiles(authorities, identity)


def unusable_authorities(path: str, ca_directory: str | None, reason: Exception) -> InvalidInput:
    """Log *reason* and return the error for a file or directory of certificate authorities, which does not contain it."""
    _LOG.warning("the CA file or directory %r cannot be used: %s", path, reason)
    place = "" if ca_directory is None else f" below {ca_directory}"
    return InvalidInput(
        f"the CA file or directory {path!r} cannot be used: it has to be a PEM file of certificates{place} of at most "
        f"{MAX_FILE_BYTES // 1024} KiB, or a directory of such files with hashed names (openssl rehash), which this host can "
        "read; the log of this host has the reason"
    )


def unusable_identity(path: str, reason: Exception) -> InvalidInput:
    """Log *reason* and return the error for a client certificate or its key, which does not contain it."""
    _LOG.warning("the client certificate %r or its key cannot be used: %s", path, reason)
    return InvalidInput(
        f"the client certificate {path!r} or its key cannot be used: both have to be PEM files of at most "
        f"{MAX_FILE_BYTES // 1024} KiB without a passphrase, which this host can read; the log of this host has the reason"
    )


def _is_below(path: str, directory: str) -> bool:
    # Compared as text, because a comparison of resolved paths would read the file system. Only the operator can place symbolic
    # links below the directory.
    given = PurePath(path)
    return ".." not in given.parts and PurePath(directory) in (given, *given.parents)


def _read_authorities(path: str) -> Iterator[bytes]:
    if not stat.S_ISDIR(os.stat(path).st_mode):
        yield _read_file(path)
        return
    bytes_left = MAX_DIRECTORY_BYTES
    for name in _list_hashed_names(path):
        try:
            content = _read_file(os.path.join(path, name))
        except (OSError, ValueError) as exc:
            # OpenSSL skips unusable files of a directory, too.
            _LOG.warning("the file %r in the CA directory %r is skipped: %s", name, path, exc)
            continue
        bytes_left -= len(content)
        if bytes_left < 0:
            raise ValueError(f"its files are larger than {MAX_DIRECTORY_BYTES} bytes in total")
        yield content


def _list_hashed_names(path: str) -> list[str]:
    names = []
    with os.scandir(path) as entries:
        for number, entry in enumerate(entries):
            if number >= _MAX_LISTED_ENTRIES:
                raise ValueError(f"the directory has more than {_MAX_LISTED_ENTRIES} entries")
            if _HASHED_NAME.match(entry.name):
                names.append(entry.name)
    if not names:
        raise ValueError("the directory has no files with hashed names")
    if len(names) > MAX_DIRECTORY_FILES:
        raise ValueError(f"the directory has more than {MAX_DIRECTORY_FILES} files with hashed names")
    return sorted(names)


def _read_file(path: str) -> bytes:
    # Before the file is opened, because opening a device may already have an effect: it rewinds a tape or starts a watchdog.
    _check_regular(os.stat(path))
    # The file may have been replaced meanwhile: do not wait for a FIFO, and do not make a terminal the controlling one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        _check_regular(os.fstat(descriptor))
        content = file.read(MAX_FILE_BYTES + 1)
    if not content or len(content) > MAX_FILE_BYTES:
        raise ValueError(f"its size is not between 1 and {MAX_FILE_BYTES} bytes")
    return content


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    # Files of /proc have the size 0, and some of them block their readers.
    if not 0 < status.st_size <= MAX_FILE_BYTES:
        raise ValueError(f"its size is not between 1 and {MAX_FILE_BYTES} bytes")
