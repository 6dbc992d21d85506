"""Byte budget that all request bodies in temporary files share."""

from __future__ import annotations

import threading


class BodyBudget:
    """Counter of the bytes that request bodies use in temporary files. Thread-safe: the event loop charges, workers refund.

    It only counts. The event loop rejects uploads while the budget is full.
    """

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
