"""The pooled sessions of one BMC, with the number of borrowers of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from baremetal_interfaces import Connector, Endpoint
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc.connect_breakers import ConnectBreaker
from baremetal_sdk.bmc.slots import HeldSlot, RequestLimiter
from baremetal_sdk.clock import Clock

SessionKey = tuple[type, Hashable, bytes]
"""Connector type, the connector's own key for its sessions, and a digest of the credential."""


class PooledSession:
    """An open session of a connector, with its number of borrowers and its state.

    The lock of its :class:`BMC` protects ``borrowers``, ``is_broken`` and ``used_at``.
    """

    __slots__ = ("borrowers", "connector", "is_broken", "is_doubted", "session", "slots", "used_at")

    def __init__(self, session: Any, connector: Connector[Any], slots: RequestLimiter, is_doubted: bool = False) -> None:
        self.session = session
        self.connector = connector
        self.borrowers = 1
        """Number of borrowers. A new session belongs to the borrower that opened it."""
        self.is_broken = False
        """True if the session is not lent again. Its last borrower or the next login closes it."""
        self.used_at = 0.0
        """Monotonic time, in seconds, at which the last borrower released the session."""
        self.slots = slots
        self.is_doubted = is_doubted
        """True from a login with a credential that was refused before until a request succeeds."""

    def use_own_slots(self) -> use_slots:
        """Return a context manager in which each request takes a request slot, if the connector takes turns.

        It is for the log-out, which any thread may do. A thread that holds a slot at this BMC keeps using that slot, because
        it would otherwise wait for itself.
        """
        current = current_slots()
        holds_slot_here = isinstance(current, HeldSlot) and current.semaphore is self.slots.semaphore
        return use_slots(current if holds_slot_here or not self.connector.takes_turns else self.slots)


class BMC:
    """The sessions of one endpoint, and the connect breaker, which all accounts at the address share. Thread-safe."""

    __slots__ = ("__weakref__", "_clock", "_lock", "_sessions", "connect_breaker", "endpoint", "login_lock")

    def __init__(self, endpoint: Endpoint, connect_breaker: ConnectBreaker, clock: Clock) -> None:
        self.endpoint = endpoint
        self.connect_breaker = connect_breaker
        self.login_lock = threading.Lock()
        """Held during a login. Other borrowers wait for it and then use the new session, if it can be shared."""
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[SessionKey, list[PooledSession]] = {}

    def acquire(self, key: SessionKey) -> PooledSession | None:
        """Return an open session for *key* and count one more borrower, or return None if none is available.

        A session is available if it has no borrower, or if its connector is shareable. Broken sessions are never returned.
        """
        with self._lock:
            pooled = self._find_available_locked(key)
            if pooled is not None:
                pooled.borrowers += 1
            return pooled

    def has_available(self, key: SessionKey) -> bool:
        """Return whether :meth:`acquire` would return a session now."""
        with self._lock:
            return self._find_available_locked(key) is not None

    def _find_available_locked(self, key: SessionKey) -> PooledSession | None:
        # The key contains the credential, so sessions of other credentials are never found here.
        for pooled in self._sessions.get(key, ()):
            if not pooled.is_broken and (pooled.borrowers == 0 or pooled.connector.shareable):
                return pooled
        return None

    def add(self, key: SessionKey, pooled: PooledSession) -> None:
        """Add a new session, which belongs to the borrower that opened it."""
        with self._lock:
            self._sessions.setdefault(key, []).append(pooled)

    def release(self, key: SessionKey, pooled: PooledSession, *, is_broken: bool) -> bool:
        """Count one borrower less, and return whether the caller has to log out of the session.

        With *is_broken*, the session is not lent again. Its last borrower gets True and logs out of it.
        """
        with self._lock:
            pooled.borrowers -= 1
            # A session that is broken for one borrower stays broken, whatever later borrowers report.
            pooled.is_broken = pooled.is_broken or is_broken
            pooled.used_at = self._clock.monotonic()
            return pooled.is_broken and pooled.borrowers == 0 and self._remove_locked(key, pooled)

    def remove_idle(self, is_selected: Callable[[PooledSession], bool]) -> list[PooledSession]:
        """Remove and return the sessions without borrowers for which *is_selected* is true. The caller closes them."""
        with self._lock:
            selected = [
                (key, pooled)
                for key, sessions in self._sessions.items()
                for pooled in sessions
                if pooled.borrowers == 0 and is_selected(pooled)
            ]
            return [pooled for key, pooled in selected if self._remove_locked(key, pooled)]

    def remove_superseded(self, key: SessionKey) -> list[PooledSession]:
        """Remove and return the sessions that a new session for *key* replaces. The caller closes them before it logs in.

        They are broken sessions of the same key, even if they have borrowers, and sessions without borrowers of the
        same connector that were opened with other credentials. Without this, a BMC with few sessions could refuse the new one.
        """
        with self._lock:
            superseded = [
                (other, pooled)
                for other, sessions in self._sessions.items()
                for pooled in sessions
                # key[:2] is the connector and its session key. The same with another digest means that the credentials changed.
                if (pooled.is_broken if other == key else other[:2] == key[:2] and pooled.borrowers == 0)
            ]
            return [pooled for other, pooled in superseded if self._remove_locked(other, pooled)]

    def list_idle(self) -> list[PooledSession]:
        """Return the sessions without borrowers."""
        with self._lock:
            return [pooled for sessions in self._sessions.values() for pooled in sessions if pooled.borrowers == 0]

    def _remove_locked(self, key: SessionKey, pooled: PooledSession) -> bool:
        """Remove a session from the pool. Return False if another caller has removed it already, and therefore closes it."""
        sessions = self._sessions.get(key, [])
        if pooled not in sessions:
            return False
        sessions.remove(pooled)
        if not sessions:
            del self._sessions[key]
        return True
