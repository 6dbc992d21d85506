"""RMCP+ login of a client at a simulated BMC: Open Session Request and the four RAKP messages (IPMI 2.0, 13.17 to 13.24)."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from enum import IntEnum

from baremetal_fake.bmc_account import Account
from baremetal_fake.ipmi.cipher import SUITES, SessionKeys, Suite
from baremetal_fake.ipmi.messages import BadMessage

NONCE_BYTES = 16
"""Length in bytes of the random number that each side sends."""
_HIGHEST_LEVEL = 4
_MAX_NAME_BYTES = 16
_USER_KEY_BYTES = 20


class Status(IntEnum):
    """Status codes of RMCP+ and RAKP messages (IPMI 2.0, table 13-15)."""

    OK = 0x00
    NO_RESOURCES = 0x01
    INVALID_SESSION = 0x02
    INACTIVE_SESSION = 0x08
    INVALID_ROLE = 0x09
    UNAUTHORIZED_ROLE = 0x0A
    INVALID_NAME_LENGTH = 0x0C
    UNAUTHORIZED_NAME = 0x0D
    INVALID_INTEGRITY_CHECK = 0x0F
    NO_CIPHER_SUITE = 0x11


class Login:
    """A login in progress at a simulated BMC, and the values that its session will need."""

    def __init__(self, number: int, console: int, suite: Suite, highest: int, started_at: float) -> None:
        self.number = number
        """Session number that the BMC chose."""
        self.console = console
        """Session number that the client (the remote console) chose."""
        self.suite = suite
        self.highest = highest
        """Highest privilege level that the BMC grants to the account."""
        self.started_at = started_at
        """Clock time in seconds at which the Open Session Request arrived."""
        self.counted = False
        """Whether the login counts as an attempt, because RAKP message 1 has arrived."""
        self.keys: SessionKeys | None = None
        self.username = ""
        self.level = 0
        """Privilege level that the client asks for."""
        self._nonce = os.urandom(NONCE_BYTES)
        self._console_nonce = b""
        self._role = 0
        self._name = b""

    def read_rakp_1(self, message: bytes) -> Status:
        """Store the client's random number, role and user name from RAKP message 1, and return the status that answers them.

        Raises BadMessage if *message* is too short. The status is not OK if the name or the role is not valid.
        """
        if len(message) < 28:
            raise BadMessage(f"cannot read RAKP message 1: it has {len(message)} bytes; it needs 28")
        self._console_nonce, self._role, length = message[8:24], message[24], message[27]
        self._name = message[28 : 28 + length]
        self.username = self._name.decode("latin-1")
        self.level = self._role & 0x0F
        if length > _MAX_NAME_BYTES or len(self._name) != length:
            return Status.INVALID_NAME_LENGTH
        return Status.OK if 1 <= self.level <= _HIGHEST_LEVEL else Status.INVALID_ROLE

    def challenge(self, guid: bytes, key: bytes) -> bytes:
        """Return the end of RAKP message 2: the BMC's random number, its GUID, and a keyed hash that proves that it knows *key*.

        *key* is the key of the user.
        """
        numbers = _uint32(self.console) + _uint32(self.number)
        proven = numbers + self._console_nonce + self._nonce + guid + self._role_and_name()
        return self._nonce + guid + self.suite.digest(key, proven)

    def is_proof_valid(self, proof: bytes, key: bytes) -> bool:
        """Return whether *proof*, the keyed hash in RAKP message 3, shows that the client knows the user's *key*."""
        return hmac.compare_digest(proof, self.suite.digest(key, self._nonce + _uint32(self.console) + self._role_and_name()))

    def finish(self, key: bytes, guid: bytes) -> bytes:
        """Derive the session keys from *key* into :attr:`keys`, and return the integrity check value of RAKP message 4."""
        self.keys = SessionKeys.derive(self.suite, key, self._console_nonce + self._nonce + self._role_and_name())
        return self.suite.code(self.keys.session, self._console_nonce + _uint32(self.number) + guid)

    def _role_and_name(self) -> bytes:
        return bytes((self._role, len(self._name))) + self._name


def _uint32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def user_key(account: Account) -> bytes:
    """Return the IPMI key of *account*: the first 20 bytes of its password, padded with zeros."""
    return account.password.encode()[:_USER_KEY_BYTES].ljust(_USER_KEY_BYTES, b"\0")


def select_suite(message: bytes, offered: Iterable[int]) -> Suite | None:
    """Return the cipher suite that an Open Session Request asks for, or None if its number is not in *offered*.

    Raises BadMessage if *message* is too short.
    """
    if len(message) < 32:
        raise BadMessage(f"cannot read an Open Session Request: it has {len(message)} bytes; it needs 32")
    algorithms = tuple(message[offset] & 0x3F for offset in (12, 20, 28))
    for number in offered:
        suite = SUITES[number]
        if algorithms == (suite.authentication, suite.integrity, suite.confidentiality):
            return suite
    return None


def build_open_response(message: bytes, login: Login) -> bytes:
    """Return the body of the Open Session Response that accepts the Open Session Request *message* for *login*."""
    suite = login.suite
    algorithms = enumerate((suite.authentication, suite.integrity, suite.confidentiality))
    blocks = b"".join(bytes((kind, 0, 0, 8, algorithm, 0, 0, 0)) for kind, algorithm in algorithms)
    return bytes((message[0], Status.OK, login.highest, 0)) + _uint32(login.console) + _uint32(login.number) + blocks
