"""Session table of a simulated Redfish BMC: it opens, finds, expires and closes the sessions of clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.redfish.errors import RedfishError


@dataclass
class Session:
    """A login session of a client. The client sends *token* with each request; *identifier* is part of the session's URL."""

    identifier: str
    username: str
    token: str = field(repr=False)
    used_at: float = 0.0
    """Clock time in seconds of the last request."""


class SessionTable:
    """The open sessions of one simulated BMC: *limit* or fewer.

    A session expires *timeout* seconds after its last use. Not thread-safe: only the event loop of its service uses the
    table.
    """

    def __init__(self, clock: Callable[[], float], counters: BMCCounters, timeout: float, limit: int) -> None:
        self.timeout = timeout
        self.limit = limit
        self._clock = clock
        self._counters = counters
        self._last_number = 0
        self._by_token: dict[str, Session] = {}

    def open(self, username: str) -> Session:
        """Open a session for *username* and return it; raise RedfishError (HTTP 503) if the table is full."""
        self._drop_expired()
        if len(self._by_token) >= self.limit:
            self._counters.count_full_table()
            text = f"The session establishment failed because the limit of {self.limit} sessions is reached."
            raise RedfishError(503, "SessionLimitExceeded", text, headers={"Retry-After": "5"})
        self._last_number += 1
        session = Session(str(self._last_number), username, secrets.token_hex(16), self._clock())
        self._by_token[session.token] = session
        self._counters.count_login()
        return session

    def use(self, token: str) -> Session | None:
        """Return the open session with *token* and restart its timeout, or None if the session does not exist or has expired."""
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
        """Return the open session with *identifier*, or None. The session's timeout does not restart."""
        self._drop_expired()
        return next((session for session in self._by_token.values() if session.identifier == identifier), None)

    def all(self) -> list[Session]:
        """Return the sessions that are open, after removing those that have expired."""
        self._drop_expired()
        return list(self._by_token.values())

    def close(self, session: Session) -> None:
        """End *session*. Does nothing if the session has already ended."""
        self._drop(session)

    def clear(self) -> None:
        """End all sessions, as a restart of the BMC would."""
        for session in list(self._by_token.values()):
            self._drop(session)

    def _drop(self, session: Session) -> None:
        if self._by_token.pop(session.token, None) is not None:
            self._counters.count_logout()

    def _drop_expired(self) -> None:
        earliest = self._clock() - self.timeout
        for session in [session for session in self._by_token.values() if session.used_at < earliest]:
            self._drop(session)
