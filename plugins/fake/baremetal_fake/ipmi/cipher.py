"""Cipher suites: which algorithms there are, and the keys of a session (IPMI 2.0, 13.28 to 13.32)."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import NamedTuple

_BLOCK = 16


class CannotDecrypt(Exception):
    """What was sent is not encrypted as agreed."""


class Suite(NamedTuple):
    """One cipher suite: its number, its algorithms by their numbers, the hash, and how long its codes are."""

    number: int
    authentication: int
    integrity: int
    confidentiality: int
    hash: str
    code_length: int

    def digest(self, key: bytes, data: bytes) -> bytes:
        """The keyed hash of *data* in full length."""
        return hmac.digest(key, data, self.hash)

    def code(self, key: bytes, data: bytes) -> bytes:
        """The integrity code of *data*."""
        return self.digest(key, data)[: self.code_length]


SUITES: Mapping[int, Suite] = {
    3: Suite(3, 0x01, 0x01, 0x01, "sha1", 12),
    17: Suite(17, 0x03, 0x04, 0x01, "sha256", 16),
}
"""The two that clients use today: SHA-1 and SHA-256, both with AES-CBC-128."""


class SessionKeys(NamedTuple):
    """What both sides of a session derive: the session integrity key and the two keys that follow from it."""

    session: bytes
    integrity: bytes
    encryption: bytes

    @classmethod
    def derive(cls, suite: Suite, key: bytes, seed: bytes) -> SessionKeys:
        """From the key (that of the BMC, or the user's) and what both sides have said."""
        session = suite.digest(key, seed)
        constants = (bytes((number,)) * hashlib.sha1().digest_size for number in (1, 2))
        integrity, encryption = (suite.digest(session, constant) for constant in constants)
        return cls(session, integrity, encryption[:_BLOCK])


def encrypt(key: bytes, data: bytes) -> bytes:
    """AES-CBC-128 with the padding of 13.29: 1, 2, 3, ... and how many."""
    padding = -(len(data) + 1) % _BLOCK
    start = os.urandom(_BLOCK)
    return start + _aes(key, start, data + bytes(range(1, padding + 1)) + bytes((padding,)), decrypting=False)


def decrypt(key: bytes, data: bytes) -> bytes:
    """What :func:`encrypt` was given. Raises CannotDecrypt."""
    if len(data) < 2 * _BLOCK or len(data) % _BLOCK:
        raise CannotDecrypt("not whole blocks")
    clear = _aes(key, data[:_BLOCK], data[_BLOCK:], decrypting=True)
    padding = clear[-1]
    if padding >= _BLOCK or clear[-1 - padding : -1] != bytes(range(1, padding + 1)):
        raise CannotDecrypt("the padding is wrong")
    return clear[: -1 - padding]


def _aes(key: bytes, start: bytes, data: bytes, *, decrypting: bool) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key), modes.CBC(start))
    context = cipher.decryptor() if decrypting else cipher.encryptor()
    return context.update(data) + context.finalize()
