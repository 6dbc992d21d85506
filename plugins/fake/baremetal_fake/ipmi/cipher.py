"""RMCP+ cipher suites and session keys of a simulated BMC (IPMI 2.0, 13.28 to 13.32)."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import NamedTuple

_BLOCK_BYTES = 16


class DecryptionError(Exception):
    """Error raised for a payload that is not encrypted with the session's key."""


class Suite(NamedTuple):
    """An RMCP+ cipher suite: the numbers of its algorithms, its hash function, and the length of its integrity codes in bytes."""

    number: int
    authentication: int
    integrity: int
    confidentiality: int
    hash: str
    code_length: int

    def digest(self, key: bytes, data: bytes) -> bytes:
        """Return the whole keyed hash (HMAC) of *data* under *key*."""
        return hmac.digest(key, data, self.hash)

    def code(self, key: bytes, data: bytes) -> bytes:
        """Return the integrity code of *data* under *key*: the first bytes of the keyed hash."""
        return self.digest(key, data)[: self.code_length]


SUITES: Mapping[int, Suite] = {
    3: Suite(3, 0x01, 0x01, 0x01, "sha1", 12),
    17: Suite(17, 0x03, 0x04, 0x01, "sha256", 16),
}
"""Cipher suites that the BMC supports, by number: 3 with SHA-1 and 17 with SHA-256, both with AES-CBC-128."""


class SessionKeys(NamedTuple):
    """Keys of a session, which both sides derive: the session integrity key (SIK), and K1 and K2, which are derived from it."""

    session: bytes
    integrity: bytes
    encryption: bytes

    @classmethod
    def derive(cls, suite: Suite, key: bytes, seed: bytes) -> SessionKeys:
        """Return the session keys for *key* (the BMC's key, or the user's) and *seed*, the values that both sides exchanged."""
        session = suite.digest(key, seed)
        # The constants have the length of a SHA-1 digest in every suite (IPMI 2.0, 13.32).
        constants = (bytes((number,)) * hashlib.sha1().digest_size for number in (1, 2))
        integrity, encryption = (suite.digest(session, constant) for constant in constants)
        return cls(session, integrity, encryption[:_BLOCK_BYTES])


def encrypt(key: bytes, data: bytes) -> bytes:
    """Return the initialization vector and *data*, encrypted by AES-CBC-128 with *key*.

    The padding is the bytes 1, 2, 3, ... and then the length of the padding (IPMI 2.0, 13.29).
    """
    padding = -(len(data) + 1) % _BLOCK_BYTES
    vector = os.urandom(_BLOCK_BYTES)
    return vector + _aes(key, vector, data + bytes(range(1, padding + 1)) + bytes((padding,)), decrypting=False)


def decrypt(key: bytes, data: bytes) -> bytes:
    """Return the plain text of *data*, a result of :func:`encrypt`; raise DecryptionError if length or padding is wrong."""
    if len(data) < 2 * _BLOCK_BYTES or len(data) % _BLOCK_BYTES:
        raise DecryptionError(f"cannot decrypt a payload of {len(data)} bytes: it does not consist of whole blocks")
    clear = _aes(key, data[:_BLOCK_BYTES], data[_BLOCK_BYTES:], decrypting=True)
    padding = clear[-1]
    if padding >= _BLOCK_BYTES or clear[-1 - padding : -1] != bytes(range(1, padding + 1)):
        raise DecryptionError("cannot decrypt a payload: its padding is wrong")
    return clear[: -1 - padding]


def _aes(key: bytes, vector: bytes, data: bytes, *, decrypting: bool) -> bytes:
    """Return *data* encrypted or decrypted by AES-CBC-128. Needs the cryptography library."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key), modes.CBC(vector))
    context = cipher.decryptor() if decrypting else cipher.encryptor()
    return context.update(data) + context.finalize()
