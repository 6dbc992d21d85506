"""The sessions of one BMC."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.redfish.errors import RedfishError


@dataclass
class Session:
    """One login. The token is what the client shows, the identifier what the session is addressed by."""

    identifier: str
    username: str
    token: str = field(repr=False)
    used_at: float = 0.0


class SessionTable:
    """Sessions that expire *timeout* seconds after their last use, *limit* of them at the most.

    Not thread-safe: the event loop of its service alone uses it.
    """

    def __init__(self, clock: Callable[[], float], counters: BMCCounters, timeout: float, limit: int) -> None:
        self.timeout = timeout
        self.limit = limit
        self._clock = clock
        self._counters = counters
        self._number = 0
        self._by_token: dict[str, Session] = {}

    def open(self, username: str) -> Session:
        """Make a session; RedfishError when the table is full."""
        self._forget_expired()
        if len(self._by_token) >= self.limit:
            self._counters.no_room()
            text = f"The session establishment failed because there are {self.limit} sessions already."
            raise RedfishError(503, "SessionLimitExceeded", text, headers={"Retry-After": "5"})
        self._number += 1
        session = Session(str(self._number), username, secrets.token_hex(16), self._clock())
        self._by_token[session.token] = session
        self._counters.logged_in()
        return session

    def use(self, token: str) -> Session | None:
        """The session of *token*, which it keeps from expiring; None where there is none."""
        session = self._by_token.get(token)
        if session is None:
            return None
        now = self._clock()
        if now - session.used_at > self.timeout:
            self._drop(session)
            return None
        session.used_at = now
        return session

    def find(self, identifier: str) -> Session | None:
        """The session of that identifier."""
        self._forget_expired()
        return next((session for session in self._by_token.values() if session.identifier == identifier), None)

    def all(self) -> list[Session]:
        """The sessions that have not expired."""
        self._forget_expired()
        return list(self._by_token.values())

    def close(self, session: Session) -> None:
        """End a session."""
        self._drop(session)

    def clear(self) -> None:
        """End all sessions, as a restart of the BMC does."""
        for session in list(self._by_token.values()):
            self._drop(session)

    def _drop(self, session: Session) -> None:
        if self._by_token.pop(session.token, None) is not None:
            self._counters.logged_out()

    def _forget_expired(self) -> None:
        oldest = self._clock() - self.timeout
        for session in [one for one in self._by_token.values() if one.used_at < oldest]:
            self._drop(session)
