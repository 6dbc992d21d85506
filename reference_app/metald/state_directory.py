"""State directory of metald: database, key of the credentials, and a lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from baremetal_sdk.store.durable_files import make_directories


class StateError(Exception):
    """Error raised when the state directory cannot be used. Its text has the reason and the remedy."""


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return the default state directory: ``metald`` below ``$XDG_STATE_HOME``, or below ``~/.local/state`` without the variable.

    A relative path in a variable is ignored, as the XDG Base Directory Specification requires. Raises :class:`StateError` if
    the user has no home directory.
    """
    configured = Path(environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else _find_home(environ) / ".local" / "state"
    return base / "metald"


def _find_home(environ: Mapping[str, str]) -> Path:
    """Return the home directory: ``$HOME`` if it is an absolute path, otherwise that of the user's account."""
    home = Path(environ.get("HOME", ""))
    if home.is_absolute():
        return home
    try:
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        home = Path()
    if not home.is_absolute():
        raise StateError(
            f"cannot find the state directory: HOME is not an absolute path, and user {os.getuid()} has no home directory; "
            "give --state-dir, or set HOME"
        )
    return home


@contextmanager
def lock_directory(directory: Path) -> Iterator[Path]:
    """Create *directory* if it is missing, lock it for this process until the ``with`` block ends, and yield it.

    Raises :class:`StateError` if another process holds the lock, or if the directory is not writable or other users can
    write to it.
    """
    try:
        make_directories(directory, 0o700)
        _check_permissions(directory)
        descriptor = os.open(directory / "metald.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StateError(f"cannot use the state directory {directory}: {exc.strerror or exc}") from exc
    try:
        _lock(descriptor, directory)
        yield directory
    finally:
        os.close(descriptor)


def _check_permissions(directory: Path) -> None:
    """Raise StateError if other users can write to *directory*, because they could replace the files with credentials."""
    if directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateError(
            f"cannot use the state directory {directory}: other users can write to it; "
            "run chmod go-w on it, or choose another --state-dir"
        )


def _lock(descriptor: int, directory: Path) -> None:
    # The kernel releases the lock when the process ends, so a crash leaves no stale lock behind.
    """Lock the open file *descriptor* and write the process ID to it; raise StateError if another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        owner = f"process {holder}" if holder else "another process"
        raise StateError(
            f"cannot use the state directory {directory}: {owner} uses it; stop that process, or choose another --state-dir"
        ) from None
    # A second process reads the process ID for its message.
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
