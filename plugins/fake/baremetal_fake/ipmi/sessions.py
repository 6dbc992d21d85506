"""Logins and sessions of a simulated IPMI BMC: account, lockout, limits and timeouts."""

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
"""Seconds after which an unfinished login ends as a refused login, so that it no longer counts against the session limit."""
_SEQUENCE_WINDOW = 16
"""Number of sequence numbers below the highest received one that a session still accepts."""
USER_LEVEL = 2
"""Privilege level USER, the highest level with which a session starts."""


@dataclass(frozen=True)
class AccessOptions:
    """Options of a simulated IPMI BMC for logins: its only account, its cipher suites and its limits."""

    account: Account = field(default_factory=lambda: Account("admin", "password"))
    key: bytes | None = field(default=None, repr=False)
    """BMC key (Kg) of 20 bytes. None: the user's key takes its place."""
    highest_level: int = 4
    """Highest privilege level that the BMC grants to the account."""
    suites: Sequence[int] = (3, 17)
    """Numbers of the cipher suites that the BMC offers, in order."""
    ignores_other_suites: bool = False
    """Whether the BMC does not answer the request for a cipher suite that it does not offer. If false, it refuses the request."""
    other_suite_status: int = Status.NO_CIPHER_SUITE
    """RMCP+ status that refuses a cipher suite."""
    refused_level_status: int = Status.UNAUTHORIZED_ROLE
    """RAKP status that refuses a privilege level above ``highest_level``."""
    session_limit: int = 4
    """Maximum number of open sessions and logins in progress, counted together."""
    session_timeout: float = 60.0
    """Seconds after which an unused session ends."""
    lockout_after: int | None = None
    """Number of consecutive wrong passwords that lock the account until :meth:`LoginTable.unlock`; None: no lockout."""


class Session:
    """An open session of a client: its keys, privilege level and sequence numbers."""

    def __init__(self, login: Login, keys: SessionKeys, now: float) -> None:
        self.number = login.number
        self.console = login.console
        self.suite = login.suite
        self.keys = keys
        self.highest = login.level
        """Highest privilege level of the session, which the client asked for at login."""
        self.level = min(USER_LEVEL, login.level)
        """Present privilege level. The client raises it with Set Session Privilege Level (IPMI 2.0, 22.18)."""
        self.used_at = now
        """Clock time in seconds of the last packet from the client."""
        self._last_sent = 0
        self._highest_received = 0
        self._received: set[int] = set()

    def next_number(self) -> int:
        """Return the sequence number for the next packet to the client, and count it as sent."""
        self._last_sent += 1
        return self._last_sent

    def accept_sequence(self, sequence: int) -> bool:
        """Return whether *sequence*, the number of a received packet, is new, and record it (IPMI 2.0, 6.12.13).

        Zero, a repeated number, and a number below the window are not new.
        """
        window_start = self._highest_received - _SEQUENCE_WINDOW
        if not sequence or sequence in self._received or sequence <= window_start:
            return False
        self._highest_received = max(self._highest_received, sequence)
        window_start = self._highest_received - _SEQUENCE_WINDOW
        self._received = {number for number in (*self._received, sequence) if number > window_start}
        return True


class LoginTable:
    """The logins in progress and the open sessions of one simulated BMC.

    Not thread-safe: only the event loop of its service uses the table.
    """

    def __init__(self, options: AccessOptions, guid: bytes, counters: BMCCounters, clock: Callable[[], float]) -> None:
        self.options = options
        self.attempts = 0
        """Number of logins that sent RAKP message 1, whether they succeeded or failed."""
        self._guid = guid
        self._counters = counters
        self._clock = clock
        self._consecutive_failures = 0
        self._logins: dict[int, Login] = {}
        self._sessions: dict[int, Session] = {}

    @property
    def locked(self) -> bool:
        """True if too many consecutive failed logins locked the account of the BMC."""
        limit = self.options.lockout_after
        return limit is not None and self._consecutive_failures >= limit

    def unlock(self) -> None:
        """Unlock the account after too many failed logins, and count failures from zero."""
        self._consecutive_failures = 0

    def session(self, number: int) -> Session | None:
        """Return the open session *number* and restart its timeout, or None if the session does not exist or has expired."""
        self._expire()
        session = self._sessions.get(number)
        if session is not None:
            session.used_at = self._clock()
        return session

    def close(self, number: int) -> bool:
        """End the session *number*, and return whether it existed."""
        if self._sessions.pop(number, None) is None:
            return False
        self._counters.count_logout()
        return True

    def clear(self) -> None:
        """End all logins and sessions without a message to the clients, as a restart of the BMC would."""
        self._logins.clear()
        for number in list(self._sessions):
            self.close(number)

    def open(self, message: bytes) -> bytes:
        """Start a login for the Open Session Request *message*, and return the body of the Open Session Response.

        The response refuses the login if the cipher suite is not offered or the session limit is reached. Raises BadMessage
        if *message* is too short, or if the BMC ignores the request.
        """
        suite = select_suite(message, self.options.suites)
        console = int.from_bytes(message[4:8], "little")
        self._expire()
        if suite is None and self.options.ignores_other_suites:
            raise BadMessage("the cipher suite is not supported, and the BMC ignores the request")
        if suite is None:
            return _response_header(message, self.options.other_suite_status, console)
        if len(self._sessions) + len(self._logins) >= self.options.session_limit:
            self._counters.count_full_table()
            return _response_header(message, Status.NO_RESOURCES, console)
        login = Login(self._new_number(), console, suite, self.options.highest_level, self._clock())
        self._logins[login.number] = login
        return build_open_response(message, login)

    def challenge(self, message: bytes, fault: Fault | None) -> tuple[int, bytes]:
        """Return payload type and body of RAKP message 2, the answer to RAKP message 1.

        The answer refuses the login if the account is unknown or locked, if the level is too high, or if *fault* demands it.
        """
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
        """Check the client's proof in RAKP message 3, open the session, and return payload type and body of RAKP message 4.

        A wrong proof, as of a wrong password, ends the login. If the client reports an error, the login ends and None is
        returned.
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
        """Count *login* as an attempt, once. A message that the client sends again belongs to the same attempt.

        The attempt counts as a failure until the login is finished. A client learns from RAKP message 2 that its password is
        wrong, and may then leave without a message.
        """
        if login.counted:
            return
        login.counted = True
        self.attempts += 1
        self._consecutive_failures += 1

    def _check_account(self, login: Login, fault: Fault | None, locked: bool) -> int:
        """Return status OK, or the status that refuses the user name or the privilege level of *login*."""
        if fault is not None and fault.effect is Effect.BUSY:
            return Status.NO_RESOURCES
        refused = fault is not None and fault.effect in (Effect.AUTH, Effect.REFUSE)
        if refused or locked or login.username != self.options.account.username:
            return Status.UNAUTHORIZED_NAME
        return Status.OK if login.level <= self.options.highest_level else self.options.refused_level_status

    def _fail(self, login: Login) -> None:
        """Remove *login*, and count it as refused if it counts as an attempt."""
        del self._logins[login.number]
        if login.counted:
            self._counters.count_login(accepted=False)

    def _expire(self) -> None:
        """End the logins and sessions whose time has passed."""
        now = self._clock()
        for login in [login for login in self._logins.values() if now - login.started_at > LOGIN_TIMEOUT_S]:
            self._fail(login)
        timeout = self.options.session_timeout
        for session in [session for session in self._sessions.values() if now - session.used_at > timeout]:
            self.close(session.number)

    def _new_number(self) -> int:
        """Return a random session number that is not zero and not in use."""
        while True:
            number = int.from_bytes(os.urandom(4), "little")
            if number and number not in self._logins and number not in self._sessions:
                return number


def _session_number(message: bytes) -> int:
    """Return the BMC's session number in a RAKP message; raise BadMessage if *message* is too short."""
    if len(message) < 8:
        raise BadMessage(f"cannot read a RAKP message: it has {len(message)} bytes; it needs 8 or more")
    return int.from_bytes(message[4:8], "little")


def _response_header(message: bytes, status: int, console: int) -> bytes:
    """Return the start of an RMCP+ or RAKP answer: the client's message tag, the status, and the client's session number."""
    return bytes((message[0], status, 0, 0)) + console.to_bytes(4, "little")
