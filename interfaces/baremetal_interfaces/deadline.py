"""A point in time by which work has to be over."""

from __future__ import annotations

import time
from collections.abc import Callable

from baremetal_interfaces.errors import DeadlineExceeded


class Deadline:
    """A point on a monotonic clock, in seconds. Immutable; share it freely between threads."""

    __slots__ = ("at", "clock")

    def __init__(self, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at = at
        self.clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The deadline *seconds* from now."""
        return cls(clock() + seconds, clock)

    def within(self, seconds: float) -> Deadline:
        """This deadline or the one *seconds* from now, whichever comes first."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    def remaining(self) -> float:
        """Seconds that are left, never below zero."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self.clock() >= self.at

    def check(self, doing: str) -> None:
        """Raise :class:`DeadlineExceeded` when the time is over; *doing* says what was going on."""
        if self.expired:
            raise DeadlineExceeded(f"the time for {doing} is over")

    def __repr__(self) -> str:
        return f"Deadline(in {self.at - self.clock():.3f} s)"
