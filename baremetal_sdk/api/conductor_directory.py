"""The conductors that are alive, remembered for a moment, so that showing a node costs one read of the store and not two."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from baremetal_sdk.api.backend import Backend
from baremetal_sdk.store.records import ConductorRecord

REMEMBERED = 2.0
"""Seconds for which a look at the store is good."""
MISSED_HEARTBEATS = 6
"""How many heartbeats a conductor may miss and still count as alive."""


class ConductorDirectory:
    """Tells which conductors live and which of them a node is best placed on."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._silence = timedelta(seconds=backend.config.conductor.heartbeat_interval * MISSED_HEARTBEATS)
        self._lock = Lock()
        self._seen: Sequence[ConductorRecord] = ()
        self._seen_at: float | None = None

    def all(self) -> Sequence[ConductorRecord]:
        """All conductors, as the store has them now."""
        found = self._backend.store.conductors()
        with self._lock:
            self._seen, self._seen_at = found, self._backend.clock.monotonic()
        return found

    def alive(self) -> list[ConductorRecord]:
        """The conductors that gave a sign of life not long ago."""
        return [conductor for conductor in self._recent() if self.was_recent(conductor.heartbeat_at)]

    def was_recent(self, heartbeat_at: datetime | None) -> bool:
        """Whether a conductor whose last sign of life was then counts as alive."""
        return heartbeat_at is not None and self._backend.clock.now() - heartbeat_at <= self._silence

    def responsible_for(self, uuid: str, driver: str, group: str) -> str | None:
        """The host name of the conductor that a node is best placed on, or None where nobody drives such nodes.

        It is the one with the highest digest of node and host name: when a conductor comes or goes, only its own nodes move.
        """
        candidates = [
            conductor.hostname for conductor in self.alive() if conductor.conductor_group == group and driver in conductor.drivers
        ]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return max(candidates, key=lambda hostname: hashlib.blake2b(f"{uuid}/{hostname}".encode(), digest_size=8).digest())

    def _recent(self) -> Sequence[ConductorRecord]:
        with self._lock:
            if self._seen and self._seen_at is not None and self._backend.clock.monotonic() - self._seen_at < REMEMBERED:
                return self._seen
        return self.all()
