"""Which conductor is asked. That is a hint, and never authority: the node's lease is that."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from baremetal_sdk.clock import Clock
from baremetal_sdk.errors import ConductorUnreachable
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import ConductorRecord

_REMEMBERED = 2.0
"""Seconds for which a look at the store is good."""
_MISSED_HEARTBEATS = 6


class Router(Protocol):
    """Chooses the conductor for a call."""

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """The conductor to ask; with *fresh* after a new look at who there is. Raises ``ConductorUnreachable``."""


class LivingConductors:
    """Asks a conductor that gave a sign of life not long ago; one and the same for a node, as long as it lives.

    *heartbeat* is the interval of the conductors' signs of life, in seconds.
    """

    def __init__(self, store: Store, clock: Clock, heartbeat: float) -> None:
        self._store = store
        self._clock = clock
        self._silence = timedelta(seconds=heartbeat * _MISSED_HEARTBEATS)
        self._retry_after = heartbeat
        self._lock = threading.Lock()
        self._seen: Sequence[ConductorRecord] = ()
        self._seen_at: float | None = None

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """The one with the highest digest of node and host name: when one comes or goes, only its share moves."""
        now = self._clock.now()
        alive = [one for one in self._all(fresh) if one.heartbeat_at and now - one.heartbeat_at <= self._silence]
        driver = arguments.get("driver")
        if isinstance(driver, str):
            alive = [one for one in alive if driver in one.drivers] or alive
        if not alive:
            raise ConductorUnreachable("no conductor is alive: start one with this database", retry_after=self._retry_after)
        key = arguments.get("node") or method
        return max(alive, key=lambda one: hashlib.blake2b(f"{key}/{one.hostname}".encode(), digest_size=8).digest())

    def _all(self, fresh: bool) -> Sequence[ConductorRecord]:
        with self._lock:
            recent = self._seen_at is not None and self._clock.monotonic() - self._seen_at < _REMEMBERED
            if self._seen and recent and not fresh:
                return self._seen
        found = self._store.conductors()
        with self._lock:
            self._seen, self._seen_at = found, self._clock.monotonic()
        return found
