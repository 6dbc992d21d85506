"""Writes to the file system that survive a power failure."""

from __future__ import annotations

import os
from pathlib import Path


def flush_directory(directory: Path) -> None:
    """Return after the entries of *directory* are on the disk: names of files that were created, renamed or deleted.

    A flush of a file does not include its name (fsync(2)).
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file(file: Path) -> None:
    """Return after the content of *file* and its name are on the disk."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    flush_directory(file.parent)


def make_directories(directory: Path, mode: int) -> None:
    """Create *directory* with *mode*, and its missing parents, if it does not exist. The new names are on the disk on return."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    for path in missing:
        flush_directory(path.parent)
