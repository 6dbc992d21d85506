"""Digests of credentials, which identify a credential without storing its password."""

from __future__ import annotations

import hashlib
import os

from baremetal_interfaces import DriverInfo


def digest_credential(info: DriverInfo, key: bytes = b"") -> bytes:
    """Return a digest of the secret options in *info*. Equal secrets have equal digests.

    The digest is quick to compute, so that it can be made for each task. With a random *key* it is useless outside of this
    process; without one it has to be stored encrypted.
    """
    digest = hashlib.blake2b(key=key, digest_size=16)
    for name in sorted(info.secrets()):
        digest.update(f"{name}={getattr(info, name)!r};".encode())
    return digest.digest()


def generate_process_key() -> bytes:
    """Return a random key for digests that only this process compares."""
    return os.urandom(16)
