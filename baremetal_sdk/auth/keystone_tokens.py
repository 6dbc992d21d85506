"""What Keystone said of tokens a moment ago, for keystonemiddleware: as much as is bounded, and in memory only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from baremetal_sdk.clock import Clock, SystemClock

_MOST = 4096
"""Tokens that are remembered; the one that was asked for longest ago is forgotten first."""


class TokenCache:
    """A cache as keystonemiddleware takes it from the WSGI environment (its option ``cache``). Its keys are digests of tokens."""

    def __init__(self, most: int = _MOST, clock: Clock | None = None) -> None:
        self._most = most
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """What was kept under *key*; None for what was not, or no longer."""
        with self._lock:
            until, value = self._kept.get(key, (0.0, None))
            if until <= self._clock.monotonic():
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
            return value

    def set(self, key: Any, value: Any, time: float = 0.0) -> None:
        """Keep *value* for *time* seconds."""
        with self._lock:
            self._kept[key] = (self._clock.monotonic() + time, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
