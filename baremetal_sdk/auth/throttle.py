"""Whoever gives wrong passwords waits, longer each time; nobody else does."""

from __future__ import annotations

import threading
from collections import OrderedDict

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.http.address import network

_FREE = 5
"""Failures that cost nothing: people mistype."""
_LONGEST = 60.0
"""Seconds that a failure costs at most."""
_FORGOTTEN = 600.0
"""Seconds without a failure after which the past is forgotten."""
_MOST = 4096
"""Callers that are remembered; the one who failed longest ago is forgotten first."""
_FREE_OF_PEER = 20
"""Failures of one address under any names that cost nothing: several may sit behind it."""
_Key = tuple[str, str | None]


class LoginThrottle:
    """Counts failures by address and user, and by address alone. A user is not locked out by what others do elsewhere."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._failures: OrderedDict[_Key, tuple[int, float]] = OrderedDict()

    def get_wait_s(self, peer: str, user: str) -> float:
        """Seconds until this user may try again from there; 0: now."""
        with self._lock:
            now = self._clock.monotonic()
            return max(self._left(key, free, now) for key, free in _keys(peer, user))

    def record_failure(self, peer: str, user: str) -> None:
        """Note that a password was wrong."""
        with self._lock:
            now = self._clock.monotonic()
            for key, _ in _keys(peer, user):
                count, last = self._failures.pop(key, (0, now))
                self._failures[key] = (count + 1 if now - last < _FORGOTTEN else 1, now)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def record_success(self, peer: str, user: str) -> None:
        """Note that a password was right."""
        with self._lock:
            self._failures.pop((network(peer), user), None)

    def _left(self, key: _Key, free: int, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < free:
            return 0.0
        return max(0.0, last + min(_LONGEST, 2.0 ** min(count - free, 10)) - now)


def _keys(peer: str, user: str) -> tuple[tuple[_Key, int], tuple[_Key, int]]:
    client = network(peer)
    return ((client, user), _FREE), ((client, None), _FREE_OF_PEER)
