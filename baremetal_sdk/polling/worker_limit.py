"""How many workers: as many as Little's law asks for, and no more than the interpreter has use for."""

from __future__ import annotations

import math

from baremetal_sdk.concurrency.locks import YieldingLock

_FIRST_GUESS = 0.1
"""Seconds that a read takes, as long as none was seen."""
_WEIGHT = 0.01
_BUSY = 0.6
"""As much of the interpreter is power sync's at most: whatever else runs has to come to its turn, too."""
_FEWEST = 8
"""As many workers are never too many for the interpreter."""
_SLACK = 1.1
"""As many times more workers than useful are borne: they do not come and go all the time."""


class WorkerLimit:
    """Counts the workers of one line, and says how many more would be useful.

    Work that is due within some seconds needs ``due * latency / seconds`` workers (Little's law). More than ``latency / CPU
    time`` of them would only fight for the interpreter, and whatever else runs would wait behind them.
    """

    def __init__(self) -> None:
        self._lock = YieldingLock()
        self._latency = _FIRST_GUESS
        self._undisturbed = _FIRST_GUESS
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

    def took(self, seconds: float, undisturbed: float, cpu: float) -> bool:
        """Learn from one read by one worker, and tell whether it is to go on; if not, it is counted no more.

        In seconds: how long the read took, how long it takes at the same machine when nothing else runs here, and how much of
        it was this process's own work.
        """
        with self._lock:
            self._latency += _WEIGHT * (seconds - self._latency)
            self._undisturbed += _WEIGHT * (undisturbed - self._undisturbed)
            self._cpu += _WEIGHT * (cpu - self._cpu) if self._cpu else cpu
            if self.size <= _SLACK * self._useful:
                return True
            self.size -= 1
            return False

    def wanted(self, due: int, seconds: float, most: int) -> int:
        """How many workers get *due* reads done in so many seconds; at most *most*."""
        return math.ceil(min(due * self._latency / seconds, self._useful, most))

    @property
    def _useful(self) -> float:
        # Waiting for the interpreter makes reads longer; it is not what more workers would help against.
        return max(_FEWEST, _BUSY * self._undisturbed / self._cpu) if self._cpu > 0 else math.inf
