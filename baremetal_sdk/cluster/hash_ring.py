"""The conductors that live, and which of them a node is best placed on. That is a hint: the node's lease decides."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

MISSED_HEARTBEATS = 6
"""How many heartbeats a conductor may miss and still count as alive."""
REMEMBERED = 2.0
"""Seconds for which a look at the store is good."""

Witness = Callable[[], frozenset[str] | None]
"""The holders (host name/incarnation) that somebody else knows to live; None while that somebody cannot be asked."""


def best(key: str, conductors: Iterable[ConductorRecord]) -> ConductorRecord | None:
    """The one with the highest digest of *key* and host name: when one comes or goes, only its own share moves."""
    found = list(conductors)
    if len(found) < 2:
        return found[0] if found else None
    return max(found, key=lambda one: hashlib.blake2b(f"{key}/{one.hostname}".encode(), digest_size=8).digest())


def placed_on(conductors: Iterable[ConductorRecord], uuid: str, driver: str, group: str) -> str | None:
    """The host name of the one among *conductors* that a node is best placed on, or None where none drives such nodes."""
    found = best(uuid, (one for one in conductors if one.conductor_group == group and driver in one.drivers))
    return None if found is None else found.hostname


def holder_of(conductor: ConductorRecord) -> str:
    """The name by which a conductor holds leases: one incarnation of it, never a host name alone."""
    return f"{conductor.hostname}/{conductor.incarnation}"


class Ring:
    """Tells who lives and who is best placed. What it saw is remembered for a moment, so that it costs few reads.

    *heartbeat* says the interval of the conductors' signs of life, in seconds. A *witness* is believed in their place.
    """

    def __init__(
        self, store: Callable[[], Store], clock: Clock, heartbeat: Callable[[], float], *, witness: Witness | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._heartbeat = heartbeat
        self._witness = witness
        self._lock = threading.Lock()
        self._all: Sequence[ConductorRecord] = ()
        self._alive: Sequence[ConductorRecord] = ()
        self._seen_at: float | None = None

    def all(self) -> Sequence[ConductorRecord]:
        """All conductors, as the store has them now."""
        found = self._store().conductors()
        living = self._witness() if self._witness is not None else None
        alive = [one for one in found if self._lives(one, living)]
        with self._lock:
            self._all, self._alive, self._seen_at = found, alive, self._clock.monotonic()
        return found

    def alive(self, *, fresh: bool = False) -> Sequence[ConductorRecord]:
        """The conductors that live; with *fresh* after a new look at the store."""
        with self._lock:
            recent = self._seen_at is not None and self._clock.monotonic() - self._seen_at < REMEMBERED
            if recent and self._all and not fresh:
                return self._alive
        self.all()
        return self._alive

    def living_holders(self) -> frozenset[str]:
        """The conductors that live, each as it holds leases: host name/incarnation."""
        return frozenset(holder_of(one) for one in self.alive())

    def was_recent(self, heartbeat_at: datetime | None) -> bool:
        """Whether a conductor whose last sign of life was then counts as alive."""
        silence = timedelta(seconds=self._heartbeat() * MISSED_HEARTBEATS)
        return heartbeat_at is not None and self._clock.now() - heartbeat_at <= silence

    def responsible_for(self, uuid: str, driver: str, group: str) -> str | None:
        """The host name of the conductor that a node is best placed on, or None where nobody drives such nodes.

        It is one of the node's group that offers its driver.
        """
        return placed_on(self.alive(), uuid, driver, group)

    def _lives(self, conductor: ConductorRecord, living: frozenset[str] | None) -> bool:
        if living is None:
            return self.was_recent(conductor.heartbeat_at)
        return holder_of(conductor) in living
