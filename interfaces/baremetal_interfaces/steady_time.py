"""Time that survives jumps of the wall clock, for deadlines that are stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_CORRECTION_RATE = 0.05
"""Maximum share by which steady time runs faster or slower than real time while it approaches the wall clock."""


def _read_boottime() -> float:
    """Return seconds on a clock that never goes back and also counts while the machine is suspended, if the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SteadyTime:
    """Seconds since 1970 that never jump. Thread-safe.

    The time begins at the wall clock and continues at the rate of *elapsed*, a clock that never goes back. After a jump of
    the wall clock by NTP, an operator or a virtual machine, the time approaches the wall clock by at most 3 seconds per
    minute. So a duration that is measured with it is wrong by at most 5 percent.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = _read_boottime) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._time = wall()
        self._read_at = elapsed()

    def read(self) -> float:
        """Return the seconds since 1970."""
        with self._lock:
            now, wall = self._elapsed(), self._wall()
            step = max(0.0, now - self._read_at)
            limit = MAX_CORRECTION_RATE * step
            self._time += step + min(limit, max(-limit, wall - self._time - step))
            self._read_at = now
            return self._time


_process_time = SteadyTime()


def steady_time() -> float:
    """Return the seconds since 1970 on the steady clock of this process.

    Store deadlines with it where ``time.time()`` would be wrong after a jump of the wall clock, for example in the state of
    a :class:`~baremetal_interfaces.Wait`. Other processes, and this one after a restart, read about the same time unless the
    wall clock jumped between their starts.
    """
    return _process_time.read()
