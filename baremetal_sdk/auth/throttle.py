"""Exponential back-off per address and user after failed logins."""

from __future__ import annotations

import threading
from collections import OrderedDict

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.http.address import get_client_network

_FREE_FAILURES = 5
"""Number of failures of a user at one address that cause no wait, because people mistype."""
_MAX_WAIT_S = 60.0
"""Maximum wait in seconds after a failure."""
_RESET_AFTER_S = 600.0
"""Seconds without a failure after which the count restarts."""
_MAX_ENTRIES = 4096
"""Maximum number of entries. The entry with the oldest failure is evicted first."""
_FREE_ADDRESS_FAILURES = 20
"""Number of failures at one address, for any users, that cause no wait, because several users may share an address."""
_Key = tuple[str, str | None]


class LoginThrottle:
    """Counter of failed logins by address and user, and by address alone. Thread-safe.

    It only computes the wait. The caller rejects logins before its end. An IPv6 address counts as its /64 network. A full table
    drops the entry with the oldest failure.

    Failures at other addresses do not count for a user. Otherwise anyone could lock out a user by failing in the user's name.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._failures: OrderedDict[_Key, tuple[int, float]] = OrderedDict()

    def get_wait_s(self, peer: str, user: str) -> float:
        """Return the seconds until *user* may try to log in again from the address *peer*. 0 means now."""
        with self._lock:
            now = self._clock.monotonic()
            return max(self._get_left_s(key, free, now) for key, free in _build_keys(peer, user))

    def record_failure(self, peer: str, user: str) -> None:
        """Count a wrong password of *user* at the address *peer*."""
        with self._lock:
            now = self._clock.monotonic()
            for key, _ in _build_keys(peer, user):
                count, last = self._failures.pop(key, (0, now))
                self._failures[key] = (count + 1 if now - last < _RESET_AFTER_S else 1, now)
            while len(self._failures) > _MAX_ENTRIES:
                self._failures.popitem(last=False)

    def record_success(self, peer: str, user: str) -> None:
        """Reset the count of *user* at *peer*. The count of the address stays, with its guesses for other users."""
        with self._lock:
            self._failures.pop((get_client_network(peer), user), None)

    def _get_left_s(self, key: _Key, free: int, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < free:
            return 0.0
        return max(0.0, last + min(_MAX_WAIT_S, 2.0 ** min(count - free, 10)) - now)


def _build_keys(peer: str, user: str) -> tuple[tuple[_Key, int], tuple[_Key, int]]:
    """Return the two keys under which a login is counted, each with its number of failures that cause no wait."""
    client = get_client_network(peer)
    return ((client, user), _FREE_FAILURES), ((client, None), _FREE_ADDRESS_FAILURES)
