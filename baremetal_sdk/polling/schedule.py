"""A schedule of many keys, each due once per interval at its own time."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterable

from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock

_JITTER = 0.1
"""Share of the interval by which a key may be due earlier or later."""


class Schedule:
    """Keys that are due once per *interval* (seconds), spread over it and with jitter.

    A caller that takes a due key calls :meth:`again` afterwards; until then no other caller gets the key. The cost of
    taking keys depends on the number of due keys, not on the number of all keys. Thread-safe.
    """

    def __init__(self, interval: float, clock: Clock) -> None:
        self.interval = interval
        self._clock = clock
        self._lock = YieldingLock()
        # The due time of each key is the truth; None: taken. Entries of the heap and of the deque with another time are
        # outdated and are skipped, because removing an entry from the middle of a heap is expensive.
        self._due: dict[str, float | None] = {}
        self._heap: list[tuple[float, str]] = []
        self._overdue: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._due)

    def has(self, key: str) -> bool:
        """Return whether *key* is scheduled."""
        return key in self._due

    def keep(self, keys: Iterable[str]) -> None:
        """Schedule exactly these *keys*: drop others, keep known ones, and make new ones due at random times in one interval."""
        wanted = set(keys)
        with self._lock:
            for key in self._due.keys() - wanted:
                del self._due[key]
            for key in wanted - self._due.keys():
                self._set_locked(key, self._clock.monotonic() + random.uniform(0.0, self.interval))

    def overdue(self) -> float:
        """Return the seconds for which the longest overdue key has been due; 0 if no key is due."""
        with self._lock:
            self._collect_locked()
            due = self._overdue[0][0] if self._overdue else math.inf
        return max(0.0, self._clock.monotonic() - due)

    def drop(self, key: str) -> None:
        """Remove *key* from the schedule."""
        with self._lock:
            self._due.pop(key, None)

    def hasten(self, key: str, seconds: float = 0.0) -> None:
        """Make *key* due in so many *seconds*, if it is not due earlier. An unknown key is added; a taken key stays taken."""
        at = self._clock.monotonic() + seconds
        with self._lock:
            # A taken key (None) stays taken: its holder is polling it now, and reschedules it afterwards.
            due = self._due.get(key)
            if key not in self._due or (due is not None and at < due):
                self._set_locked(key, at)

    def again(self, key: str, seconds: float | None = None) -> None:
        """Make a taken *key* due again in so many *seconds*, by default after one interval. A dropped key stays dropped."""
        if seconds is None:
            seconds = self.interval * random.uniform(1 - _JITTER, 1 + _JITTER)
        with self._lock:
            if key in self._due:
                self._set_locked(key, self._clock.monotonic() + seconds)

    def backlog(self) -> int:
        """Return the number of keys that are due now."""
        with self._lock:
            self._collect_locked()
            return len(self._overdue)

    def take_due(self, limit: int | None = None) -> list[str]:
        """Return up to *limit* due keys, the longest overdue first. They are taken until :meth:`again` is called for them."""
        taken: list[str] = []
        with self._lock:
            self._collect_locked()
            while self._overdue and (limit is None or len(taken) < limit):
                due, key = self._overdue.popleft()
                if self._due.get(key) == due:
                    taken.append(key)
                    # Taken: no other caller gets the key, and drop() still removes it.
                    self._due[key] = None
        return taken

    def _collect_locked(self) -> None:
        """Move the keys that have become due from the heap to the deque, and skip outdated entries."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self._overdue.append((due, key))

    def _set_locked(self, key: str, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
