"""When each of many things is due next: a schedule of its own for every one, and no list of all of them at each look."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterable

from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock

_JITTER = 0.1


class Schedule:
    """Keys that are due once in every *interval* (seconds), spread over it, each a little early or late every time.

    Who takes a key that is due says afterwards when it is due :meth:`again`; until then nobody else is given it. Looking
    costs by what is due, not by how many keys there are. Thread-safe.
    """

    def __init__(self, interval: float, clock: Clock) -> None:
        self.interval = interval
        self._clock = clock
        self._lock = YieldingLock()
        self._due: dict[str, float | None] = {}
        self._heap: list[tuple[float, str]] = []
        self._late: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._due)

    def has(self, key: str) -> bool:
        """Whether *key* is scheduled."""
        return key in self._due

    def keep(self, keys: Iterable[str]) -> None:
        """Have exactly these *keys*: new ones are first due somewhere in the coming interval, others go on as they were."""
        wanted = set(keys)
        with self._lock:
            for key in self._due.keys() - wanted:
                del self._due[key]
            for key in wanted - self._due.keys():
                self._set(key, self._clock.monotonic() + random.uniform(0.0, self.interval))

    def overdue(self) -> float:
        """Seconds for which the key is due that has been due longest; 0 where none is."""
        with self._lock:
            self._collect()
            due = self._late[0][0] if self._late else math.inf
        return max(0.0, self._clock.monotonic() - due)

    def drop(self, key: str) -> None:
        """Have *key* no more."""
        with self._lock:
            self._due.pop(key, None)

    def hasten(self, key: str, seconds: float = 0.0) -> None:
        """Let *key* be due in so many seconds, if that is earlier than it would be; a new key is added."""
        at = self._clock.monotonic() + seconds
        with self._lock:
            due = self._due.get(key)
            if key not in self._due or (due is not None and at < due):
                self._set(key, at)

    def again(self, key: str, seconds: float | None = None) -> None:
        """Let a key that was taken be due once more: in so many seconds, or after its interval. One that was dropped stays so."""
        if seconds is None:
            seconds = self.interval * random.uniform(1 - _JITTER, 1 + _JITTER)
        with self._lock:
            if key in self._due:
                self._set(key, self._clock.monotonic() + seconds)

    def backlog(self) -> int:
        """How many keys are due now."""
        with self._lock:
            self._collect()
            return len(self._late)

    def take_due(self, limit: int | None = None) -> list[str]:
        """The keys that are due, at most *limit*, those that waited longest first."""
        taken: list[str] = []
        with self._lock:
            self._collect()
            while self._late and (limit is None or len(taken) < limit):
                due, key = self._late.popleft()
                if self._due.get(key) == due:
                    taken.append(key)
                    self._due[key] = None
        return taken

    def _collect(self) -> None:
        """Find what has become due. What was set anew, or dropped, has left an old entry behind."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self._late.append((due, key))

    def _set(self, key: str, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
