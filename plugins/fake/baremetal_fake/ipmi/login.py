"""How a client logs in: the open session request and the four messages of RAKP (IPMI 2.0, 13.17 to 13.24)."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from enum import IntEnum

from baremetal_fake.bmc_account import Account
from baremetal_fake.ipmi.cipher import SUITES, SessionKeys, Suite
from baremetal_fake.ipmi.messages import BadMessage

NONCE = 16
USERNAME_ONLY = 0x10
_HIGHEST_LEVEL = 4


class Status(IntEnum):
    """RMCP+ and RAKP status codes (table 13-15)."""

    OK = 0x00
    NO_ROOM = 0x01
    INVALID_SESSION = 0x02
    INACTIVE_SESSION = 0x08
    INVALID_ROLE = 0x09
    UNAUTHORIZED_ROLE = 0x0A
    INVALID_NAME_LENGTH = 0x0C
    UNAUTHORIZED_NAME = 0x0D
    INVALID_INTEGRITY_CHECK = 0x0F
    NO_CIPHER_SUITE = 0x11


class Login:
    """One login as it goes on, and what the session that it becomes needs of it."""

    def __init__(self, number: int, console: int, suite: Suite, highest: int, started_at: float) -> None:
        self.number = number
        """The session's number at the BMC, and *console* the one at the client."""
        self.console = console
        self.suite = suite
        self.highest = highest
        self.started_at = started_at
        self.counted = False
        """Whether it has shown an account, and so counts as an attempt."""
        self.keys: SessionKeys | None = None
        self.username = ""
        self.level = 0
        self._nonce = os.urandom(NONCE)
        self._console_nonce = b""
        self._role = 0
        self._name = b""

    def take_names(self, message: bytes) -> Status:
        """Read the first RAKP message: the client's number and who it is."""
        if len(message) < 28:
            raise BadMessage("RAKP message 1 is too short")
        self._console_nonce, self._role, length = message[8:24], message[24], message[27]
        self._name = message[28 : 28 + length]
        self.username = self._name.decode("latin-1")
        self.level = self._role & 0x0F
        if length > 16 or len(self._name) != length:
            return Status.INVALID_NAME_LENGTH
        return Status.OK if 1 <= self.level <= _HIGHEST_LEVEL else Status.INVALID_ROLE

    def challenge(self, guid: bytes, key: bytes) -> bytes:
        """The BMC's number, its GUID, and the proof that it knows the user's *key*: what RAKP message 2 ends with."""
        numbers = self._four(self.console) + self._four(self.number)
        proven = numbers + self._console_nonce + self._nonce + guid + self._who()
        return self._nonce + guid + self.suite.digest(key, proven)

    def proof_fits(self, proof: bytes, key: bytes) -> bool:
        """Whether the client has shown in RAKP message 3 that it knows the user's *key*."""
        return hmac.compare_digest(proof, self.suite.digest(key, self._nonce + self._four(self.console) + self._who()))

    def finish(self, key: bytes, guid: bytes) -> bytes:
        """Derive the session's keys from *key*; the integrity check value of RAKP message 4."""
        self.keys = SessionKeys.derive(self.suite, key, self._console_nonce + self._nonce + self._who())
        return self.suite.code(self.keys.session, self._console_nonce + self._four(self.number) + guid)

    def _who(self) -> bytes:
        return bytes((self._role, len(self._name))) + self._name

    @staticmethod
    def _four(number: int) -> bytes:
        return number.to_bytes(4, "little")


def user_key(account: Account) -> bytes:
    """The key that follows from an account's password: its first twenty bytes."""
    return account.password.encode()[:20].ljust(20, b"\0")


def wanted_suite(message: bytes, offered: Iterable[int]) -> Suite | None:
    """The cipher suite that an open session request asks for, or None where it is not one of *offered*."""
    if len(message) < 32:
        raise BadMessage("the open session request is too short")
    algorithms = tuple(message[at] & 0x3F for at in (12, 20, 28))
    for number in offered:
        suite = SUITES[number]
        if algorithms == (suite.authentication, suite.integrity, suite.confidentiality):
            return suite
    return None


def opened(message: bytes, login: Login) -> bytes:
    """The answer to an open session request that is taken."""
    numbers = login.console.to_bytes(4, "little") + login.number.to_bytes(4, "little")
    suite = login.suite
    algorithms = enumerate((suite.authentication, suite.integrity, suite.confidentiality))
    blocks = b"".join(bytes((kind, 0, 0, 8, algorithm, 0, 0, 0)) for kind, algorithm in algorithms)
    return bytes((message[0], Status.OK, login.highest, 0)) + numbers + blocks
