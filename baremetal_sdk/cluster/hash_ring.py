"""Assignment of nodes to live conductors by rendezvous hashing.

The assignment is only a hint, so that conductors share the nodes evenly. Authority over a node comes from its lease.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from baremetal_sdk.clock import Clock, boottime_source
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

MAX_MISSED_HEARTBEATS = 6
"""Number of heartbeats that a conductor may miss before it counts as dead."""
CACHE_LIFETIME_S = 2.0
"""Seconds for which the list of conductors is cached."""

LivenessSource = Callable[[], frozenset[str] | None]
"""Function that returns the lease holder names (host name/incarnation) of all live conductors, or None if it cannot know."""


def choose_conductor(key: str, conductors: Iterable[ConductorRecord]) -> ConductorRecord | None:
    """Return the conductor with the highest hash of *key* and its host name, or None if there is no conductor.

    This is rendezvous hashing: when a conductor joins or leaves, only its own keys move, and no ring has to be stored.
    """
    candidates = list(conductors)
    if len(candidates) < 2:
        return candidates[0] if candidates else None

    def rank(conductor: ConductorRecord) -> bytes:
        return hashlib.blake2b(f"{key}/{conductor.hostname}".encode(), digest_size=8).digest()

    return max(candidates, key=rank)


def choose_owner(conductors: Iterable[ConductorRecord], uuid: str, driver: str, group: str) -> str | None:
    """Return the host name of the conductor that a node is assigned to, or None if no conductor has its group and driver."""
    capable = (conductor for conductor in conductors if conductor.conductor_group == group and driver in conductor.drivers)
    owner = choose_conductor(uuid, capable)
    return None if owner is None else owner.hostname


def format_holder(conductor: ConductorRecord) -> str:
    """Return the name with which a conductor holds leases.

    It contains the incarnation, so that a restarted conductor does not hold the leases of the process before it.
    """
    return f"{conductor.hostname}/{conductor.incarnation}"


class HeartbeatAges:
    """The ages of conductors' heartbeats, as one observer sees them. Thread-safe.

    A heartbeat is a date by the clock of another process, which may differ from the clock here, or may have jumped. So the
    date decides only when a conductor is seen for the first time. From then on, a heartbeat is as old as the time since the
    observer saw it change.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._elapsed = boottime_source(clock)
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._seen: dict[str, tuple[datetime | None, float]] = {}
        """Lease holder name of each conductor -> its last heartbeat, and the time of *elapsed* at which it was made."""

    def observe(self, conductors: Sequence[ConductorRecord]) -> None:
        """Record the heartbeats of the conductors that were just read from the store."""
        with self._lock:
            now, since_read = self._elapsed(), self._elapsed() - self._read_at
            seen: dict[str, tuple[datetime | None, float]] = {}
            for conductor in conductors:
                holder = format_holder(conductor)
                last = self._seen.get(holder)
                if last is None or last[0] != conductor.heartbeat_at:
                    # A changed heartbeat was made since the last observation, whatever its date says.
                    oldest = math.inf if last is None else since_read
                    last = (conductor.heartbeat_at, now - min(self._age_by_date(conductor.heartbeat_at), oldest))
                seen[holder] = last
            self._seen, self._read_at = seen, now

    def age(self, conductor: ConductorRecord) -> float:
        """Return the seconds since the last heartbeat of *conductor*; infinity without one, and before it was observed."""
        with self._lock:
            seen = self._seen.get(format_holder(conductor))
            return math.inf if seen is None else self._elapsed() - seen[1]

    def _age_by_date(self, heartbeat_at: datetime | None) -> float:
        if heartbeat_at is None:
            return math.inf
        return max(0.0, (self._clock.now() - heartbeat_at).total_seconds())


class HashRing:
    """The live conductors and the assignment of nodes to them, with a short cache. Thread-safe.

    *heartbeat* returns the interval of heartbeats in seconds. A *liveness_source* decides which conductors are live. Without it,
    or while it returns None, the age of their last heartbeat decides.
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
        self._live: Sequence[ConductorRecord] = ()
        self._read_at: float | None = None
        self._heartbeats = HeartbeatAges(clock)

    def refresh(self) -> Sequence[ConductorRecord]:
        """Read the conductors from the store into the cache. Return all of them, live or not."""
        conductors = self._store().conductors()
        self._heartbeats.observe(conductors)
        live_holders = self._liveness_source() if self._liveness_source is not None else None
        live = [conductor for conductor in conductors if self._is_live(conductor, live_holders)]
        with self._lock:
            self._all, self._live, self._read_at = conductors, live, self._clock.monotonic()
        return conductors

    def list_live(self, *, fresh: bool = False) -> Sequence[ConductorRecord]:
        """Return the live conductors, from a cache of two seconds. With *fresh*, read them from the store."""
        with self._lock:
            is_cached = self._read_at is not None and self._clock.monotonic() - self._read_at < CACHE_LIFETIME_S
            # An empty list is not cached: the first conductor of a cluster must be usable at once.
            if is_cached and self._all and not fresh:
                return self._live
        # The store is read without the lock, so that a slow database does not block readers of the cache.
        self.refresh()
        return self._live

    def list_live_holders(self) -> frozenset[str]:
        """Return the lease holder names of the live conductors."""
        return frozenset(format_holder(conductor) for conductor in self.list_live())

    def is_live(self, hostname: str, incarnation: str) -> bool:
        """Return whether a conductor process was live at the last refresh."""
        return any((record.hostname, record.incarnation) == (hostname, incarnation) for record in self._live)

    def find_owner(self, uuid: str, driver: str, group: str) -> str | None:
        """Return the host name of the live conductor that a node is assigned to.

        It has the node's group and driver. None means that no live conductor has them.
        """
        return choose_owner(self.list_live(), uuid, driver, group)

    def _is_live(self, conductor: ConductorRecord, live_holders: frozenset[str] | None) -> bool:
        if live_holders is None:
            return self._heartbeats.age(conductor) <= self._heartbeat() * MAX_MISSED_HEARTBEATS
        return format_holder(conductor) in live_holders
