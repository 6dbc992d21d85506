"""Deadlines: points in time by which work must end."""

from __future__ import annotations

import time
from collections.abc import Callable

from baremetal_interfaces.errors import DeadlineExceeded


class Deadline:
    """A point in time on a monotonic clock, in seconds. Immutable and thread-safe.

    *clock* returns the current time in seconds; tests replace it.
    """

    __slots__ = ("at", "clock")

    def __init__(self, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at = at
        self.clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return the deadline *seconds* from now."""
        return cls(clock() + seconds, clock)

    def within(self, seconds: float) -> Deadline:
        """Return this deadline or the one *seconds* from now, whichever is earlier."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    def remaining(self) -> float:
        """Return the seconds left until the deadline, never less than 0."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        """True once the deadline has passed."""
        return self.clock() >= self.at

    def check(self, doing: str) -> None:
        """Raise :class:`DeadlineExceeded` if the deadline has passed. *doing* names the operation in the message."""
        if self.expired:
            raise DeadlineExceeded(f"{doing}: the deadline has passed")

    def __repr__(self) -> str:
        return f"Deadline(in {self.at - self.clock():.3f} s)"
