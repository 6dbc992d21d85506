"""BodyBudget for what clients upload, which they share."""

from __future__ import annotations

import threading


class BodyBudget:
    """Counts bytes that are kept. Workers give back what the loop took."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self.used = 0
        """Bytes that are kept."""

    @property
    def is_full(self) -> bool:
        """Whether more is kept than there is room for."""
        return self.used > self._size

    def take(self, count: int) -> None:
        """Note that *count* more bytes are kept; fewer where it is negative."""
        with self._lock:
            self.used += count
