"""The clock of a conductor: an argument of all its components, so that tests can pass a clock that they advance."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Interface of a source of monotonic time and of dates."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, on a clock that never goes back."""

    def now(self) -> datetime:
        """Return the current date and time in UTC."""


class SystemClock:
    """The clock of the operating system."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, on a clock that never goes back."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the current date and time in UTC."""
        return datetime.now(UTC)

    def boottime(self) -> float:
        """Return seconds on a clock that never goes back and that also counts while the machine is suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def boottime_source(clock: Clock) -> Callable[[], float]:
    """Return the function that measures leases: ``clock.boottime`` if the clock has it, else ``clock.monotonic``.

    A lease expires in the database while the machine is suspended, so its holder has to count that time too.
    """
    boottime: Callable[[], float] = getattr(clock, "boottime", clock.monotonic)
    return boottime
