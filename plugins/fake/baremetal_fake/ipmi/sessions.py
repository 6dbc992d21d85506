"""The sessions of one BMC: how many there is room for, who may log in, and what is counted about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from baremetal_fake.bmc_account import Account, BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi.cipher import SessionKeys
from baremetal_fake.ipmi.login import Login, Status, opened, user_key, wanted_suite
from baremetal_fake.ipmi.messages import RAKP_2, RAKP_4, BadMessage

LOGIN_SECONDS = 30.0
"""How long a login may take before its place is given to somebody else."""
_WINDOW = 16
USER_LEVEL = 2


@dataclass(frozen=True)
class AccessOptions:
    """Who may log in at a BMC, and how.

    *key* is the BMC's own (Kg), 20 bytes. After *lockout_after* wrong passwords in a row nobody gets in until
    :meth:`LoginTable.unlock`. *session_timeout* is in seconds.
    """

    account: Account = field(default_factory=lambda: Account("admin", "password"))
    key: bytes | None = field(default=None, repr=False)
    highest_level: int = 4
    suites: Sequence[int] = (3, 17)
    session_limit: int = 4
    session_timeout: float = 60.0
    lockout_after: int | None = None


class Session:
    """One session that is open."""

    def __init__(self, login: Login, keys: SessionKeys, now: float) -> None:
        self.number = login.number
        self.console = login.console
        self.suite = login.suite
        self.keys = keys
        self.highest = login.level
        self.level = min(USER_LEVEL, login.level)
        """What it may do now; the client raises it (IPMI 2.0, 22.18)."""
        self.used_at = now
        self._sent = 0
        self._received = 0
        self._seen: set[int] = set()

    def next_number(self) -> int:
        """The sequence number of the next packet to the client."""
        self._sent += 1
        return self._sent

    def takes(self, sequence: int) -> bool:
        """Whether a packet with this number is a new one (a window of sixteen, IPMI 2.0, 6.12.13)."""
        if not sequence or sequence in self._seen or sequence <= self._received - _WINDOW:
            return False
        self._received = max(self._received, sequence)
        self._seen = {one for one in (*self._seen, sequence) if one > self._received - _WINDOW}
        return True


class LoginTable:
    """The logins and sessions of one BMC. Only the event loop of its service uses it."""

    def __init__(self, options: AccessOptions, guid: bytes, counters: BMCCounters, clock: Callable[[], float]) -> None:
        self.options = options
        self.attempts = 0
        """Logins that have shown an account, with the right password or not."""
        self._guid = guid
        self._counters = counters
        self._clock = clock
        self._wrong_in_a_row = 0
        self._logins: dict[int, Login] = {}
        self._sessions: dict[int, Session] = {}

    @property
    def locked(self) -> bool:
        """Whether too many wrong passwords have closed the account."""
        limit = self.options.lockout_after
        return limit is not None and self._wrong_in_a_row >= limit

    def unlock(self) -> None:
        """Open the account again."""
        self._wrong_in_a_row = 0

    def session(self, number: int) -> Session | None:
        """The open session of that number, or None; a session that was idle for too long has ended."""
        self._expire()
        session = self._sessions.get(number)
        if session is not None:
            session.used_at = self._clock()
        return session

    def close(self, number: int) -> bool:
        """End a session; False where there is none."""
        if self._sessions.pop(number, None) is None:
            return False
        self._counters.logged_out()
        return True

    def clear(self) -> None:
        """End all sessions, without a word to the clients, as a BMC that restarts does."""
        self._logins.clear()
        for number in list(self._sessions):
            self.close(number)

    def open(self, message: bytes) -> bytes:
        """Answer an open session request."""
        suite = wanted_suite(message, self.options.suites)
        console = int.from_bytes(message[4:8], "little")
        self._expire()
        if suite is None:
            return _refusal(message, Status.NO_CIPHER_SUITE, console)
        if len(self._sessions) + len(self._logins) >= self.options.session_limit:
            self._counters.no_room()
            return _refusal(message, Status.NO_ROOM, console)
        login = Login(self._new_number(), console, suite, self.options.highest_level, self._clock())
        self._logins[login.number] = login
        return opened(message, login)

    def challenge(self, message: bytes, fault: Fault | None) -> tuple[int, bytes]:
        """Answer the first RAKP message by the second."""
        login = self._logins.get(_number_in(message))
        if login is None:
            return RAKP_2, _refusal(message, Status.INVALID_SESSION, 0)
        locked = self.locked and not login.counted
        self._count(login)
        status = login.take_names(message) or self._objection(login, fault, locked)
        if status:
            self._fail(login)
            return RAKP_2, _refusal(message, status, login.console)
        body = login.challenge(self._guid, user_key(self.options.account))
        return RAKP_2, _refusal(message, Status.OK, login.console) + body

    def finish(self, message: bytes) -> tuple[int, bytes] | None:
        """Answer the third RAKP message by the fourth; nothing where the client says that it gives up."""
        login = self._logins.get(_number_in(message))
        if login is None:
            return RAKP_4, _refusal(message, Status.INACTIVE_SESSION, 0)
        key = user_key(self.options.account)
        if message[1]:
            self._fail(login)
            return None
        if not login.proof_fits(message[8:], key):
            self._fail(login)
            return RAKP_4, _refusal(message, Status.INVALID_INTEGRITY_CHECK, login.console)
        code = login.finish(self.options.key or key, self._guid)
        assert login.keys is not None
        del self._logins[login.number]
        self._wrong_in_a_row = 0
        self._sessions[login.number] = Session(login, login.keys, self._clock())
        self._counters.logged_in()
        return RAKP_4, _refusal(message, Status.OK, login.console) + code

    def _count(self, login: Login) -> None:
        """A message that is sent again is the same attempt.

        It counts as a wrong one until the login is finished: a client that finds out by the second message that its
        password is wrong may leave without a word.
        """
        self.attempts += not login.counted
        self._wrong_in_a_row += not login.counted
        login.counted = True

    def _objection(self, login: Login, fault: Fault | None, locked: bool) -> Status:
        if fault is not None and fault.effect is Effect.BUSY:
            return Status.NO_ROOM
        refused = fault is not None and fault.effect in (Effect.AUTH, Effect.REFUSE)
        if refused or locked or login.username != self.options.account.username:
            return Status.UNAUTHORIZED_NAME
        return Status.OK if login.level <= self.options.highest_level else Status.UNAUTHORIZED_ROLE

    def _fail(self, login: Login) -> None:
        del self._logins[login.number]
        if login.counted:
            self._counters.logged_in(False)

    def _expire(self) -> None:
        now = self._clock()
        for login in [one for one in self._logins.values() if now - one.started_at > LOGIN_SECONDS]:
            self._fail(login)
        for session in [one for one in self._sessions.values() if now - one.used_at > self.options.session_timeout]:
            self.close(session.number)

    def _new_number(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(4), "little")
            if number and number not in self._logins and number not in self._sessions:
                return number


def _number_in(message: bytes) -> int:
    if len(message) < 8:
        raise BadMessage("a RAKP message is too short")
    return int.from_bytes(message[4:8], "little")


def _refusal(message: bytes, status: Status, console: int) -> bytes:
    """How every answer begins: the client's tag, the status, and the client's number."""
    return bytes((message[0], status, 0, 0)) + console.to_bytes(4, "little")
