"""A clock that a test turns by hand; waiting turns it, too."""

from __future__ import annotations

import threading


class TurnedClock:
    """Seconds that pass only when somebody says so."""

    def __init__(self, start: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._now = start

    def __call__(self) -> float:
        with self._lock:
            return self._now

    def turn(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds
