"""Time, handed in: a conductor asks its clock, and a test turns one by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time, in seconds since a start that does not matter and as a date."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def now(self) -> datetime:
        """The date and time, in UTC."""


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def now(self) -> datetime:
        """The date and time, in UTC."""
        return datetime.now(UTC)

    def boottime(self) -> float:
        """Seconds on a clock that never goes back and counts the time in which the machine was suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def boottime_source(clock: Clock) -> Callable[[], float]:
    """The clock that leases are measured by: it goes on while process or machine are stopped."""
    boottime: Callable[[], float] = getattr(clock, "boottime", clock.monotonic)
    return boottime
