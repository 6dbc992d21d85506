"""The login of a client: Open Session Request and the four RAKP messages (IPMI 2.0, 13.17 to 13.24)."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from enum import IntEnum

from baremetal_fake.bmc_account import Account
from baremetal_fake.ipmi.cipher import SUITES, SessionKeys, Suite
from baremetal_fake.ipmi.messages import BadMessage

NONCE_BYTES = 16
_HIGHEST_LEVEL = 4
_MAX_NAME_BYTES = 16
_USER_KEY_BYTES = 20


class Status(IntEnum):
    """RMCP+ and RAKP status codes (IPMI 2.0, table 13-15)."""

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
    """A login in progress, and the values that its session will need."""

    def __init__(self, number: int, console: int, suite: Suite, highest: int, started_at: float) -> None:
        self.number = number
        """Session number of the BMC."""
        self.console = console
        """Session number of the client (the remote console)."""
        self.suite = suite
        self.highest = highest
        """Highest privilege level that the BMC grants."""
        self.started_at = started_at
        """Clock time in seconds of the Open Session Request."""
        self.counted = False
        """Whether the login named an account, and so counts as an attempt."""
        self.keys: SessionKeys | None = None
        self.username = ""
        self.level = 0
        """Privilege level that the client asks for."""
        self._nonce = os.urandom(NONCE_BYTES)
        self._console_nonce = b""
        self._role = 0
        self._name = b""

    def read_rakp_1(self, message: bytes) -> Status:
        """Read the client's random number, role and user name from RAKP message 1; raise BadMessage."""
        if len(message) < 28:
            raise BadMessage(f"RAKP message 1 has {len(message)} bytes; it needs 28")
        self._console_nonce, self._role, length = message[8:24], message[24], message[27]
        self._name = message[28 : 28 + length]
        self.username = self._name.decode("latin-1")
        self.level = self._role & 0x0F
        if length > _MAX_NAME_BYTES or len(self._name) != length:
            return Status.INVALID_NAME_LENGTH
        return Status.OK if 1 <= self.level <= _HIGHEST_LEVEL else Status.INVALID_ROLE

    def challenge(self, guid: bytes, key: bytes) -> bytes:
        """Return the end of RAKP message 2: the BMC's random number, its GUID, and the proof that it knows the user's *key*."""
        numbers = _uint32(self.console) + _uint32(self.number)
        proven = numbers + self._console_nonce + self._nonce + guid + self._role_and_name()
        return self._nonce + guid + self.suite.digest(key, proven)

    def is_proof_valid(self, proof: bytes, key: bytes) -> bool:
        """Return whether the *proof* in RAKP message 3 shows that the client knows the user's *key*."""
        return hmac.compare_digest(proof, self.suite.digest(key, self._nonce + _uint32(self.console) + self._role_and_name()))

    def finish(self, key: bytes, guid: bytes) -> bytes:
        """Derive the session's keys from *key* and return the integrity check value of RAKP message 4."""
        self.keys = SessionKeys.derive(self.suite, key, self._console_nonce + self._nonce + self._role_and_name())
        return self.suite.code(self.keys.session, self._console_nonce + _uint32(self.number) + guid)

    def _role_and_name(self) -> bytes:
        return bytes((self._role, len(self._name))) + self._name


def _uint32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def user_key(account: Account) -> bytes:
    """Return the key of an account: the first 20 bytes of its password, padded with zeros."""
    return account.password.encode()[:_USER_KEY_BYTES].ljust(_USER_KEY_BYTES, b"\0")


def select_suite(message: bytes, offered: Iterable[int]) -> Suite | None:
    """Return the cipher suite that an Open Session Request asks for, or None if it is not one of *offered*."""
    if len(message) < 32:
        raise BadMessage(f"the Open Session Request has {len(message)} bytes; it needs 32")
    algorithms = tuple(message[offset] & 0x3F for offset in (12, 20, 28))
    for number in offered:
        suite = SUITES[number]
        if algorithms == (suite.authentication, suite.integrity, suite.confidentiality):
            return suite
    return None


def build_open_response(message: bytes, login: Login) -> bytes:
    """Return the answer that accepts the Open Session Request *message*."""
    suite = login.suite
    algorithms = enumerate((suite.authentication, suite.integrity, suite.confidentiality))
    blocks = b"".join(bytes((kind, 0, 0, 8, algorithm, 0, 0, 0)) for kind, algorithm in algorithms)
    return bytes((message[0], Status.OK, login.highest, 0)) + _uint32(login.console) + _uint32(login.number) + blocks
