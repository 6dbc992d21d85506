"""The sessions at one BMC: lent, kept for the next borrower, and ended by nobody who still uses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from baremetal_interfaces import Connector, Endpoint
from baremetal_sdk.bmc.breakers import ReachBreaker, slot_taken
from baremetal_sdk.clock import Clock

Key = tuple[type, Hashable, bytes]
"""Connector, what else tells its sessions apart, and a digest of the credential."""


class Kept:
    """One session, and who has it."""

    __slots__ = ("borrowers", "broken", "connector", "session", "used_at")

    def __init__(self, session: Any, connector: Connector[Any]) -> None:
        self.session = session
        self.connector = connector
        self.borrowers = 1
        self.broken = False
        self.used_at = 0.0


class BMC:
    """One endpoint: its slots, its breaker and its sessions."""

    def __init__(self, endpoint: Endpoint, slots: int, clock: Clock) -> None:
        self.endpoint = endpoint
        self.slots = threading.BoundedSemaphore(slots)
        self.reach = ReachBreaker(endpoint, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[Key, list[Kept]] = {}

    def borrow(self, key: Key, *, alone: bool = False) -> Kept | None:
        """A session that can be had: one that nobody has, or one that its connector lets several have at a time.

        Who wants it *alone* is told ``SlotTaken`` while somebody else uses one that could be shared.
        """
        with self._lock:
            for kept in self._sessions.get(key, ()):
                if not kept.broken and (kept.borrowers == 0 or kept.connector.shareable):
                    if alone and kept.borrowers:
                        raise slot_taken(self.endpoint)
                    kept.borrowers += 1
                    return kept
        return None

    def add(self, key: Key, kept: Kept) -> None:
        """Keep a new session; who opened it has it."""
        with self._lock:
            self._sessions.setdefault(key, []).append(kept)

    def give_back(self, key: Key, kept: Kept, *, broken: bool) -> bool:
        """End one borrower's use; whether the session has to be closed now. A broken one is lent to nobody any more."""
        with self._lock:
            kept.borrowers -= 1
            kept.broken = kept.broken or broken
            kept.used_at = self._clock.monotonic()
            return kept.broken and kept.borrowers == 0 and self._remove(key, kept)

    def take(self, wanted: Callable[[Kept], bool]) -> list[Kept]:
        """Take out the sessions that nobody has and that are *wanted*."""
        with self._lock:
            found = [
                (key, kept)
                for key, sessions in self._sessions.items()
                for kept in sessions
                if kept.borrowers == 0 and wanted(kept)
            ]
            return [kept for key, kept in found if self._remove(key, kept)]

    def idle(self) -> list[Kept]:
        """The sessions that nobody has."""
        with self._lock:
            return [kept for sessions in self._sessions.values() for kept in sessions if kept.borrowers == 0]

    def _remove(self, key: Key, kept: Kept) -> bool:
        sessions = self._sessions.get(key, [])
        if kept not in sessions:
            return False
        sessions.remove(kept)
        if not sessions:
            del self._sessions[key]
        return True
