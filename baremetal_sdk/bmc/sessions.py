"""The sessions at one BMC: lent, kept for the next borrower, and ended by nobody who still uses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from baremetal_interfaces import Connector, Endpoint
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc.breakers import ConnectBreaker
from baremetal_sdk.bmc.slots import HeldSlot, RequestLimiter
from baremetal_sdk.clock import Clock

Key = tuple[type, Hashable, bytes]
"""Connector, what else tells its sessions apart, and a digest of the credential."""


class PooledSession:
    """One session, and who has it."""

    __slots__ = ("borrowers", "broken", "connector", "doubted", "session", "turns", "used_at")

    def __init__(self, session: Any, connector: Connector[Any], turns: RequestLimiter, doubted: bool = False) -> None:
        self.session = session
        self.connector = connector
        self.borrowers = 1
        self.broken = False
        self.used_at = 0.0
        self.turns = turns
        self.doubted = doubted
        """Whether its credential was refused before, and nobody has seen it work since."""

    def taking_turns(self) -> use_slots:
        """Within it what is sent over the session, whoever ends it, has its turn as any other request."""
        current = current_slots()
        mine = isinstance(current, HeldSlot) and current.gate is self.turns.gate
        return use_slots(current if mine or not self.connector.takes_turns else self.turns)


class BMC:
    """One endpoint: its sessions, and the breaker of the address, which other accounts there share."""

    __slots__ = ("_clock", "_lock", "_sessions", "connect_breaker", "endpoint", "logging_in")

    def __init__(self, endpoint: Endpoint, reach: ConnectBreaker, clock: Clock) -> None:
        self.endpoint = endpoint
        self.connect_breaker = reach
        self.logging_in = threading.Lock()
        """Held by who logs in: others wait for the outcome."""
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[Key, list[PooledSession]] = {}

    def borrow(self, key: Key) -> PooledSession | None:
        """A session that can be had: one that nobody has, or one that its connector lets several have at a time."""
        with self._lock:
            for kept in self._sessions.get(key, ()):
                if not kept.broken and (kept.borrowers == 0 or kept.connector.shareable):
                    kept.borrowers += 1
                    return kept
        return None

    def add(self, key: Key, kept: PooledSession) -> None:
        """Keep a new session; who opened it has it."""
        with self._lock:
            self._sessions.setdefault(key, []).append(kept)

    def give_back(self, key: Key, kept: PooledSession, *, broken: bool) -> bool:
        """End one borrower's use; whether the session has to be closed now. A broken one is lent to nobody any more."""
        with self._lock:
            kept.borrowers -= 1
            kept.broken = kept.broken or broken
            kept.used_at = self._clock.monotonic()
            return kept.broken and kept.borrowers == 0 and self._remove(key, kept)

    def take(self, wanted: Callable[[PooledSession], bool]) -> list[PooledSession]:
        """Take out the sessions that nobody has and that are *wanted*."""
        with self._lock:
            found = [
                (key, kept)
                for key, sessions in self._sessions.items()
                for kept in sessions
                if kept.borrowers == 0 and wanted(kept)
            ]
            return [kept for key, kept in found if self._remove(key, kept)]

    def take_superseded(self, key: Key) -> list[PooledSession]:
        """Take out what a new session for *key* is opened in place of, for a BMC may bear no second one.

        That is what is broken, whoever still has it, and what nobody has and was opened with credentials that have changed.
        """
        with self._lock:
            found = [
                (other, kept)
                for other, sessions in self._sessions.items()
                for kept in sessions
                if (kept.broken if other == key else other[:2] == key[:2] and kept.borrowers == 0)
            ]
            return [kept for other, kept in found if self._remove(other, kept)]

    def idle(self) -> list[PooledSession]:
        """The sessions that nobody has."""
        with self._lock:
            return [kept for sessions in self._sessions.values() for kept in sessions if kept.borrowers == 0]

    def _remove(self, key: Key, kept: PooledSession) -> bool:
        sessions = self._sessions.get(key, [])
        if kept not in sessions:
            return False
        sessions.remove(kept)
        if not sessions:
            del self._sessions[key]
        return True
