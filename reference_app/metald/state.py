"""The state directory: the database, the key of the credentials, and the lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class StateError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


def default_directory(environ: Mapping[str, str]) -> Path:
    """``metald`` under the user's state directory: ``$XDG_STATE_HOME``, by default ``~/.local/state``.

    A relative path in the variable is ignored, as the XDG Base Directory Specification asks.
    """
    configured = Path(environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return base / "metald"


@contextmanager
def held(directory: Path) -> Iterator[Path]:
    """Make *directory* where it is missing and keep it for this process until the block is left.

    Raises :class:`StateError` when another process holds it, and when it is not safe or not writable.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(directory)
        descriptor = os.open(directory / "metald.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StateError(f"the state directory {directory} cannot be used: {exc.strerror or exc}") from exc
    try:
        _lock(descriptor, directory)
        yield directory
    finally:
        os.close(descriptor)


def _check(directory: Path) -> None:
    """Credentials lie here, so nobody else may put a file of theirs in place of ours."""
    if directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateError(f"others can write to the state directory {directory}: chmod go-w it, or choose another --state-dir")


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder else "another process"
        raise StateError(f"{who} serves from the state directory {directory}: stop it, or choose another --state-dir") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
