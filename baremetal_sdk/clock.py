"""The clock of a conductor: an argument of all its components, so that tests can pass a clock that they advance."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from baremetal_interfaces.steady_time import steady_time


class Clock(Protocol):
    """Interface of a source of monotonic time and of dates."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, on a clock that never goes back."""

    def now(self) -> datetime:
        """Return the current date and time in UTC. It does not jump, so that differences are durations."""


class SystemClock:
    """The clock of the operating system, without the jumps of its wall clock.

    Leases, waits, heartbeats and retention periods are differences of dates. A jump of the wall clock must not end them, so
    dates follow :mod:`baremetal_interfaces.steady_time`. All instances in a process agree.
    """

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, on a clock that never goes back."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the current date and time in UTC."""
        return datetime.fromtimestamp(steady_time(), UTC)

    def wall(self) -> datetime:
        """Return the date and time of the operating system in UTC, which may jump. Only for display and diagnosis."""
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


def wall_source(clock: Clock) -> Callable[[], datetime]:
    """Return the function that reads the wall clock: ``clock.wall`` if the clock has it, else ``clock.now``."""
    wall: Callable[[], datetime] = getattr(clock, "wall", clock.now)
    return wall
