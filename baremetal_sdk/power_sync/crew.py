"""How many workers: as many as Little's law asks for, and no more than the interpreter has use for."""

from __future__ import annotations

import math
import threading

_FIRST_GUESS = 0.1
"""Seconds that a read takes, as long as none was seen."""
_WEIGHT = 0.02
_BUSY = 0.75
"""As much of the interpreter is power sync's at most: whatever else runs has to come to its turn, too."""
_FEWEST = 8
"""As many workers are never too many for the interpreter."""


class Crew:
    """Counts the workers of one line, and says how many more would be useful.

    Work that is due within some seconds needs ``due * latency / seconds`` workers (Little's law). More than ``latency / CPU
    time`` of them would only fight for the interpreter.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latency = _FIRST_GUESS
        self._quickest = _FIRST_GUESS
        self._cpu = 0.0
        self.size = 0
        """Workers that work now."""

    def join(self, most: int) -> bool:
        """Count one worker more, unless there are *most* already."""
        with self._lock:
            if self.size >= most:
                return False
            self.size += 1
            return True

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self.size -= 1

    def took(self, seconds: float, cpu: float) -> None:
        """Learn from one read: how long it took, and how much of it was this process's own work, in seconds."""
        with self._lock:
            self._latency += _WEIGHT * (seconds - self._latency)
            self._cpu += _WEIGHT * (cpu - self._cpu)
            # Waiting for the interpreter makes reads longer; it is not what more workers would help against.
            self._quickest += (0.5 if seconds < self._quickest else _WEIGHT / 10) * (seconds - self._quickest)

    def wanted(self, due: int, seconds: float, most: int) -> int:
        """How many workers get *due* reads done in so many seconds; at most *most*."""
        useful = max(_FEWEST, _BUSY * self._quickest / self._cpu) if self._cpu > 0 else most
        return min(math.ceil(due * self._latency / seconds), math.ceil(useful), most)
