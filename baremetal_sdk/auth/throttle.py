"""Whoever gives wrong passwords waits, longer each time; nobody else does."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

from baremetal_sdk.clock import Clock, SystemClock

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


class Throttle:
    """Counts failures by address and user, and by address alone. A user is not locked out by what others do elsewhere."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._failures: OrderedDict[_Key, tuple[int, float]] = OrderedDict()

    def wait(self, peer: str, user: str) -> float:
        """Seconds until this user may try again from there; 0: now."""
        with self._lock:
            now = self._clock.monotonic()
            return max(self._left(key, free, now) for key, free in _keys(peer, user))

    def failed(self, peer: str, user: str) -> None:
        """Note that a password was wrong."""
        with self._lock:
            now = self._clock.monotonic()
            for key, _ in _keys(peer, user):
                count, last = self._failures.pop(key, (0, now))
                self._failures[key] = (count + 1 if now - last < _FORGOTTEN else 1, now)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def succeeded(self, peer: str, user: str) -> None:
        """Note that a password was right."""
        with self._lock:
            self._failures.pop((_network(peer), user), None)

    def _left(self, key: _Key, free: int, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < free:
            return 0.0
        return max(0.0, last + min(_LONGEST, 2.0 ** min(count - free, 10)) - now)


def _keys(peer: str, user: str) -> tuple[tuple[_Key, int], tuple[_Key, int]]:
    network = _network(peer)
    return ((network, user), _FREE), ((network, None), _FREE_OF_PEER)


def _network(peer: str) -> str:
    """What belongs to one caller: an address of IPv4, or the 64 bits of one of IPv6 that a network has."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else peer
