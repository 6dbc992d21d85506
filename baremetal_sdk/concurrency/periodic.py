"""Periodic work: on the pool, spread out, never overlapping itself, backing off when it fails."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, TypeVar

from baremetal_sdk.concurrency.timer import Timed, Timer

LOG = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_periodic__"
_SLOWEST = 16.0
_SOON = 1.0


Interval = float | Callable[[Any], float]
"""Seconds, or a function that is given the conductor and says how many: it is asked at the start and at each reload."""


class Declared(NamedTuple):
    """What a method says of when it is to run."""

    every: Interval
    run_immediately: bool = False
    """Whether it runs soon after the start, and not somewhere in the first interval."""


def periodic(*, every: Interval, run_immediately: bool = False) -> Callable[[F], F]:
    """Run a method ``(self, conductor)`` of something that is added to a conductor, *every* so many seconds.

    An interval that comes from the configuration is given as a function of the conductor: nothing is read at import. The
    first run is somewhere in the first interval, so that not all begin at once; with *run_immediately* in its first tenth,
    and in the first second.
    """
    if not callable(every) and every <= 0:
        raise ValueError(f"periodic(every={every}): it has to be more than 0 seconds")

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, Declared(every, run_immediately))
        return method

    return declare


def resolve_interval(interval: Interval, conductor: Any) -> float:
    """The seconds of an interval, as the conductor's configuration has it now."""
    return interval(conductor) if callable(interval) else interval


def find_periodic_methods(thing: object) -> list[tuple[Callable[..., Any], Declared]]:
    """The methods of *thing* under :func:`periodic`, or under futurist's decorator, with what they say."""
    found = ((name, _declared(getattr(type(thing), name, None))) for name in dir(type(thing)))
    return [(getattr(thing, name), declared) for name, declared in found if declared is not None]


def bind_conductor(function: Callable[..., Any], conductor: Any) -> Callable[[], Any]:
    """*function* with the conductor as its argument, where it takes one."""
    return functools.partial(function, conductor) if inspect.signature(function).parameters else function


def _declared(method: Any) -> Declared | None:
    """What a method declares. futurist's decorator leaves attributes; futurist itself is not imported."""
    declared: Declared | None = getattr(method, _ATTRIBUTE, None)
    if declared is None and getattr(method, "_is_periodic", False):
        spacing: float = method._periodic_spacing
        declared = Declared(spacing, bool(getattr(method, "_periodic_run_immediately", False)))
    return declared


def _wants_no_more(error: BaseException) -> bool:
    """Whether a run ended with futurist's ``NeverAgain``."""
    return any((one.__module__, one.__name__) == ("futurist.periodics", "NeverAgain") for one in type(error).__mro__)


class Periodic:
    """One function that runs again and again. The next run is set once the one before has ended."""

    def __init__(self, function: Callable[[], Any], every: float, *, timer: Timer, executor: Executor, name: str) -> None:
        self.name = name
        self.every = every
        self.runs = 0
        """Runs that have ended."""
        self.failed = 0
        """Runs that ended with an error."""
        self.failures = 0
        """Failed runs since the last one that went well."""
        self.refused = 0
        """Runs for which the executor had no room."""
        self._function = function
        self._timer = timer
        self._executor = executor
        self._lock = threading.Lock()
        self._next: Timed | None = None
        self._stopped = self._pausing = False
        self._rests = threading.Event()
        self._rests.set()

    def start(self, spread: float = 0.1, *, soon: bool = False) -> None:
        """Set the first run: somewhere in the first *spread* of the interval, so that not all begin at once.

        With *soon* it is in the first second, too.
        """
        latest = self.every * (min(spread, 0.1) if soon else spread)
        self._schedule(random.uniform(0.0, min(latest, _SOON) if soon else latest))

    def change_interval(self, every: float) -> None:
        """Change the interval; 0: no run until it is changed again. A run that is set comes no later than after the new one."""
        with self._lock:
            self._pausing = every <= 0
            self.every = every or self.every
            due, now = self._next, self._timer.clock.monotonic()
            keep = not self._rests.is_set() or (due is not None and every > 0 and due.at - now <= every)
            if not keep:
                self._forget_next()
        if not keep:
            self._schedule(every)

    def stop(self, timeout: float = 0.0) -> bool:
        """Set no further run, and wait, at most *timeout* seconds, for one that has begun; whether none goes on."""
        with self._lock:
            self._stopped = True
            self._forget_next()
        return self._rests.wait(timeout)

    def _schedule(self, seconds: float) -> None:
        with self._lock:
            if not (self._stopped or self._pausing):
                self._forget_next()
                self._next = self._timer.after(seconds, self._submit)

    def _forget_next(self) -> None:
        """There is never more than one run ahead: a second one would overlap with it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _submit(self) -> None:
        with self._lock:
            if self._stopped or not self._rests.is_set():
                return
            self._forget_next()
            self._rests.clear()
        try:
            self._executor.submit(self._run).add_done_callback(self._ended)
        except Exception as exc:
            # Whatever the executor has against it: neither is this tried without a pause, nor is the next run lost.
            self._rests.set()
            self.refused += 1
            LOG.warning("periodic %s could not run now: %s", self.name, exc)
            self._schedule(self.every)

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as exc:
            if _wants_no_more(exc):
                LOG.info("periodic %s runs never again: %s", self.name, exc)
                self.stop()
                return
            self.failed += 1
            self.failures += 1
            LOG.exception("periodic %s failed, %d times in a row", self.name, self.failures)
        else:
            self.failures = 0
        finally:
            self.runs += 1

    def _ended(self, future: Future[None]) -> None:
        """Set the next run; also where this one was cancelled before it began."""
        self._rests.set()
        self._schedule(self.every * min(_SLOWEST, 2.0**self.failures))
