"""Periodic work: on the pool, spread out, never overlapping itself, backing off when it fails."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from baremetal_interfaces import Busy
from baremetal_sdk.timer import Timed, Timer

LOG = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_periodic__"
_SLOWEST = 16.0


Interval = float | Callable[[Any], float]
"""Seconds, or a function that is given the conductor and says how many: it is asked at the start and at each reload."""


def periodic(*, every: Interval) -> Callable[[F], F]:
    """Run a method ``(self, conductor)`` of something that is added to a conductor, *every* so many seconds.

    An interval that comes from the configuration is given as a function of the conductor: nothing is read at import.
    """
    if not callable(every) and every <= 0:
        raise ValueError(f"periodic(every={every}): it has to be more than 0 seconds")

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, every)
        return method

    return declare


def seconds_of(interval: Interval, conductor: Any) -> float:
    """The seconds of an interval, as the conductor's configuration has it now."""
    return interval(conductor) if callable(interval) else interval


def periodics_of(thing: object) -> list[tuple[Callable[..., Any], Interval]]:
    """The methods of *thing* under :func:`periodic`, or under futurist's decorator, with their intervals."""
    found = ((name, _interval(getattr(type(thing), name, None))) for name in dir(type(thing)))
    return [(getattr(thing, name), every) for name, every in found if every is not None]


def bound_to(function: Callable[..., Any], conductor: Any) -> Callable[[], Any]:
    """*function* with the conductor as its argument, where it takes one."""
    return functools.partial(function, conductor) if inspect.signature(function).parameters else function


def _interval(method: Any) -> Interval | None:
    """The interval that a method declares. futurist's decorator leaves attributes; futurist itself is not imported."""
    every: Interval | None = getattr(method, _ATTRIBUTE, None)
    if every is None and getattr(method, "_is_periodic", False):
        every = getattr(method, "_periodic_spacing", None)
    return every


class Periodic:
    """One function that runs again and again. The next run is set once the one before has ended."""

    def __init__(self, function: Callable[[], Any], every: float, *, timer: Timer, executor: Executor, name: str) -> None:
        self.every = every
        self.failures = 0
        """Failed runs since the last one that went well."""
        self._function = function
        self._timer = timer
        self._executor = executor
        self.name = name
        self._lock = threading.Lock()
        self._next: Timed | None = None
        self._stopped = False

    def start(self, spread: float = 0.1) -> None:
        """Set the first run: somewhere in the first *spread* of the interval, so that not all begin at once."""
        self._schedule(self.every * random.uniform(0.0, spread))

    def respace(self, every: float) -> None:
        """Change the interval, from the next run on."""
        self.every = every

    def stop(self) -> None:
        """Set no further run. One that has begun goes on."""
        with self._lock:
            self._stopped = True
            if self._next is not None:
                self._next.cancel()

    def _schedule(self, seconds: float) -> None:
        with self._lock:
            if not self._stopped:
                self._next = self._timer.after(seconds, self._submit)

    def _submit(self) -> None:
        try:
            self._executor.submit(self._run)
        except Busy as exc:
            LOG.warning("periodic %s could not run now: %s", self.name, exc)
            self._schedule(self.every)

    def _run(self) -> None:
        try:
            self._function()
            self.failures = 0
        except BaseException:
            # Whatever it is, the next run is set.
            self.failures += 1
            LOG.exception("periodic %s failed, %d times in a row", self.name, self.failures)
        finally:
            self._schedule(self.every * min(_SLOWEST, 2.0**self.failures))
