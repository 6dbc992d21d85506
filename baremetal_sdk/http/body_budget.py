"""Shared byte budget for request bodies in temporary files."""

from __future__ import annotations

import threading


class BodyBudget:
    """Counts the bytes of spooled request bodies. Thread-safe: the event loop charges, workers refund."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self.used = 0
        """Bytes in use."""

    @property
    def is_full(self) -> bool:
        """True if the bodies use more bytes than the budget allows."""
        return self.used > self._max_bytes

    def charge(self, count: int) -> None:
        """Add *count* bytes to the bytes in use. A negative *count* is a refund."""
        with self._lock:
            self.used += count
