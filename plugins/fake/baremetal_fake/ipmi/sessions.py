"""The logins and sessions of one IPMI BMC."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from baremetal_fake.bmc_account import Account, BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi.cipher import SessionKeys
from baremetal_fake.ipmi.login import Login, Status, build_open_response, select_suite, user_key
from baremetal_fake.ipmi.messages import RAKP_2, RAKP_4, BadMessage

LOGIN_TIMEOUT_S = 30.0
"""Seconds after which a login that was not finished frees its place."""
_SEQUENCE_WINDOW = 16
"""Size of the window of sequence numbers that a session accepts."""
USER_LEVEL = 2


@dataclass(frozen=True)
class AccessOptions:
    """The account of a BMC, its cipher suites and its limits."""

    account: Account = field(default_factory=lambda: Account("admin", "password"))
    key: bytes | None = field(default=None, repr=False)
    """BMC key (Kg), 20 bytes; None: the user's key takes its place."""
    highest_level: int = 4
    """Highest privilege level of the account."""
    suites: Sequence[int] = (3, 17)
    session_limit: int = 4
    """Maximum number of open sessions and logins in progress."""
    session_timeout: float = 60.0
    """Seconds after which an unused session ends."""
    lockout_after: int | None = None
    """Number of consecutive wrong passwords that lock the account until :meth:`LoginTable.unlock`; None: no lockout."""


class Session:
    """An open session."""

    def __init__(self, login: Login, keys: SessionKeys, now: float) -> None:
        self.number = login.number
        self.console = login.console
        self.suite = login.suite
        self.keys = keys
        self.highest = login.level
        """Highest privilege level, which the login asked for."""
        self.level = min(USER_LEVEL, login.level)
        """Present privilege level. The client raises it with Set Session Privilege Level (IPMI 2.0, 22.18)."""
        self.used_at = now
        """Clock time in seconds of the last use."""
        self._last_sent = 0
        self._highest_received = 0
        self._received: set[int] = set()

    def next_number(self) -> int:
        """Return the sequence number of the next packet to the client."""
        self._last_sent += 1
        return self._last_sent

    def accept_sequence(self, sequence: int) -> bool:
        """Note the sequence number of a packet and return whether it is new (IPMI 2.0, 6.12.13)."""
        window_start = self._highest_received - _SEQUENCE_WINDOW
        if not sequence or sequence in self._received or sequence <= window_start:
            return False
        self._highest_received = max(self._highest_received, sequence)
        window_start = self._highest_received - _SEQUENCE_WINDOW
        self._received = {number for number in (*self._received, sequence) if number > window_start}
        return True


class LoginTable:
    """The logins and sessions of one BMC. Not thread-safe: only the event loop of its service uses it."""

    def __init__(self, options: AccessOptions, guid: bytes, counters: BMCCounters, clock: Callable[[], float]) -> None:
        self.options = options
        self.attempts = 0
        """Number of logins that named an account, with the right password or a wrong one."""
        self._guid = guid
        self._counters = counters
        self._clock = clock
        self._consecutive_failures = 0
        self._logins: dict[int, Login] = {}
        self._sessions: dict[int, Session] = {}

    @property
    def locked(self) -> bool:
        """True if too many consecutive wrong passwords locked the account."""
        limit = self.options.lockout_after
        return limit is not None and self._consecutive_failures >= limit

    def unlock(self) -> None:
        """Unlock the account."""
        self._consecutive_failures = 0

    def session(self, number: int) -> Session | None:
        """Return the open session *number* and note its use; None if it does not exist or has expired."""
        self._expire()
        session = self._sessions.get(number)
        if session is not None:
            session.used_at = self._clock()
        return session

    def close(self, number: int) -> bool:
        """End session *number* and return whether it existed."""
        if self._sessions.pop(number, None) is None:
            return False
        self._counters.count_logout()
        return True

    def clear(self) -> None:
        """End all logins and sessions without a message to the clients, as a BMC that restarts does."""
        self._logins.clear()
        for number in list(self._sessions):
            self.close(number)

    def open(self, message: bytes) -> bytes:
        """Start a login and return the answer to the Open Session Request *message*."""
        suite = select_suite(message, self.options.suites)
        console = int.from_bytes(message[4:8], "little")
        self._expire()
        if suite is None:
            return _response_header(message, Status.NO_CIPHER_SUITE, console)
        if len(self._sessions) + len(self._logins) >= self.options.session_limit:
            self._counters.count_full_table()
            return _response_header(message, Status.NO_RESOURCES, console)
        login = Login(self._new_number(), console, suite, self.options.highest_level, self._clock())
        self._logins[login.number] = login
        return build_open_response(message, login)

    def challenge(self, message: bytes, fault: Fault | None) -> tuple[int, bytes]:
        """Return payload type and payload of RAKP message 2, the answer to RAKP message 1."""
        login = self._logins.get(_session_number(message))
        if login is None:
            return RAKP_2, _response_header(message, Status.INVALID_SESSION, 0)
        # Read the lock before this attempt counts, because the attempt that reaches the limit may still be right. A login
        # that was counted passed this check before: a repeated message gets the same answer again.
        locked = self.locked and not login.counted
        self._count(login)
        status = login.read_rakp_1(message) or self._check_account(login, fault, locked)
        if status:
            self._fail(login)
            return RAKP_2, _response_header(message, status, login.console)
        body = login.challenge(self._guid, user_key(self.options.account))
        return RAKP_2, _response_header(message, Status.OK, login.console) + body

    def finish(self, message: bytes) -> tuple[int, bytes] | None:
        """Return payload type and payload of RAKP message 4, the answer to RAKP message 3.

        Return None if the client reports an error, which ends the login.
        """
        login = self._logins.get(_session_number(message))
        if login is None:
            return RAKP_4, _response_header(message, Status.INACTIVE_SESSION, 0)
        key = user_key(self.options.account)
        if message[1]:
            self._fail(login)
            return None
        if not login.is_proof_valid(message[8:], key):
            self._fail(login)
            return RAKP_4, _response_header(message, Status.INVALID_INTEGRITY_CHECK, login.console)
        code = login.finish(self.options.key or key, self._guid)
        assert login.keys is not None
        del self._logins[login.number]
        self._consecutive_failures = 0
        self._sessions[login.number] = Session(login, login.keys, self._clock())
        self._counters.count_login()
        return RAKP_4, _response_header(message, Status.OK, login.console) + code

    def _count(self, login: Login) -> None:
        """Count *login* as an attempt once; a message that is sent again is the same attempt.

        The attempt counts as a failure until the login is finished. A client learns from RAKP message 2 that its password is
        wrong, and may then leave without a message.
        """
        if login.counted:
            return
        login.counted = True
        self.attempts += 1
        self._consecutive_failures += 1

    def _check_account(self, login: Login, fault: Fault | None, locked: bool) -> Status:
        """Return OK, or the status that refuses the user name or the privilege level of *login*."""
        if fault is not None and fault.effect is Effect.BUSY:
            return Status.NO_RESOURCES
        refused = fault is not None and fault.effect in (Effect.AUTH, Effect.REFUSE)
        if refused or locked or login.username != self.options.account.username:
            return Status.UNAUTHORIZED_NAME
        return Status.OK if login.level <= self.options.highest_level else Status.UNAUTHORIZED_ROLE

    def _fail(self, login: Login) -> None:
        del self._logins[login.number]
        if login.counted:
            self._counters.count_login(accepted=False)

    def _expire(self) -> None:
        """End the logins and sessions that timed out."""
        now = self._clock()
        for login in [login for login in self._logins.values() if now - login.started_at > LOGIN_TIMEOUT_S]:
            self._fail(login)
        timeout = self.options.session_timeout
        for session in [session for session in self._sessions.values() if now - session.used_at > timeout]:
            self.close(session.number)

    def _new_number(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(4), "little")
            if number and number not in self._logins and number not in self._sessions:
                return number


def _session_number(message: bytes) -> int:
    if len(message) < 8:
        raise BadMessage(f"the RAKP message has {len(message)} bytes; it needs 8 or more")
    return int.from_bytes(message[4:8], "little")


def _response_header(message: bytes, status: Status, console: int) -> bytes:
    """Return the start of every answer: the client's message tag, the status, and the client's session number."""
    return bytes((message[0], status, 0, 0)) + console.to_bytes(4, "little")
