"""Cache in memory for validated Keystone tokens, for keystonemiddleware. Its size is limited."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from baremetal_sdk.clock import Clock, SystemClock

_MAX_TOKENS = 4096
"""Maximum number of cached tokens. The least recently used one is evicted first."""


class TokenCache:
    """Cache of token data that keystonemiddleware finds in the WSGI environment (its option ``cache``). Thread-safe.

    The keys are digests of tokens.
    """

    def __init__(self, max_tokens: int = _MAX_TOKENS, clock: Clock | None = None) -> None:
        self._max_tokens = max_tokens
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """Return the value of *key*, or None if it is missing or expired."""
        with self._lock:
            until, value = self._entries.get(key, (0.0, None))
            if until <= self._clock.monotonic():
                self._entries.pop(key, None)
                return None
            self._entries.move_to_end(key)
            return value

    def set(self, key: Any, value: Any, time: float = 0.0) -> None:
        """Store *value* under *key* for *time* seconds. Above the limit, evict the least recently used entries."""
        with self._lock:
            self._entries[key] = (self._clock.monotonic() + time, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_tokens:
                self._entries.popitem(last=False)
