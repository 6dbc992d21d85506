"""The conductors that live, and which of them a node is best placed on. That is a hint: the node's lease decides."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

MAX_MISSED_HEARTBEATS = 6
"""How many heartbeats a conductor may miss and still count as alive."""
CACHE_LIFETIME_S = 2.0
"""Seconds for which a look at the store is good."""

LivenessSource = Callable[[], frozenset[str] | None]
"""The holders (host name/incarnation) that somebody else knows to live; None while that somebody cannot be asked."""


def choose_conductor(key: str, conductors: Iterable[ConductorRecord]) -> ConductorRecord | None:
    """The one with the highest digest of *key* and host name: when one comes or goes, only its own share moves."""
    found = list(conductors)
    if len(found) < 2:
        return found[0] if found else None
    return max(found, key=lambda one: hashlib.blake2b(f"{key}/{one.hostname}".encode(), digest_size=8).digest())


def choose_owner(conductors: Iterable[ConductorRecord], uuid: str, driver: str, group: str) -> str | None:
    """The host name of the one among *conductors* that a node is best placed on, or None where none drives such nodes."""
    found = choose_conductor(uuid, (one for one in conductors if one.conductor_group == group and driver in one.drivers))
    return None if found is None else found.hostname


def format_holder(conductor: ConductorRecord) -> str:
    """The name by which a conductor holds leases: one incarnation of it, never a host name alone."""
    return f"{conductor.hostname}/{conductor.incarnation}"


class HashRing:
    """Tells who lives and who is best placed. What it saw is remembered for a moment, so that it costs few reads.

    *heartbeat* says the interval of the conductors' signs of life, in seconds. A *liveness_source* is believed in their place.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        clock: Clock,
        heartbeat: Callable[[], float],
        *,
        liveness_source: LivenessSource | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._heartbeat = heartbeat
        self._liveness_source = liveness_source
        self._lock = threading.Lock()
        self._all: Sequence[ConductorRecord] = ()
        self._alive: Sequence[ConductorRecord] = ()
        self._seen_at: float | None = None

    def refresh(self) -> Sequence[ConductorRecord]:
        """All conductors, as the store has them now."""
        found = self._store().conductors()
        living = self._liveness_source() if self._liveness_source is not None else None
        alive = [one for one in found if self._lives(one, living)]
        with self._lock:
            self._all, self._alive, self._seen_at = found, alive, self._clock.monotonic()
        return found

    def list_live(self, *, fresh: bool = False) -> Sequence[ConductorRecord]:
        """The conductors that live; with *fresh* after a new look at the store."""
        with self._lock:
            recent = self._seen_at is not None and self._clock.monotonic() - self._seen_at < CACHE_LIFETIME_S
            if recent and self._all and not fresh:
                return self._alive
        self.refresh()
        return self._alive

    def list_live_holders(self) -> frozenset[str]:
        """The conductors that live, each as it holds leases: host name/incarnation."""
        return frozenset(format_holder(one) for one in self.list_live())

    def is_recent(self, heartbeat_at: datetime | None) -> bool:
        """Whether a conductor whose last sign of life was then counts as alive."""
        silence = timedelta(seconds=self._heartbeat() * MAX_MISSED_HEARTBEATS)
        return heartbeat_at is not None and self._clock.now() - heartbeat_at <= silence

    def find_owner(self, uuid: str, driver: str, group: str) -> str | None:
        """The host name of the conductor that a node is best placed on, or None where nobody drives such nodes.

        It is one of the node's group that offers its driver.
        """
        return choose_owner(self.list_live(), uuid, driver, group)

    def _lives(self, conductor: ConductorRecord, living: frozenset[str] | None) -> bool:
        if living is None:
            return self.is_recent(conductor.heartbeat_at)
        return format_holder(conductor) in living
