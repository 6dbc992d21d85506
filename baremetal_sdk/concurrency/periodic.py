"""Periodic work on a pool: runs are spread over the interval, never overlap, and back off after failures."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, TypeVar

from baremetal_sdk.concurrency.timer import ScheduledCall, Timer
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_periodic__"
_MAX_BACKOFF_FACTOR = 16.0
"""Multiple of the interval to which failures in a row can extend it."""
_MAX_OUTAGE_RETRY_S = 10.0
"""Maximum seconds until the next run after a run that failed because the store was away."""
_DEFAULT_SPREAD = 0.1
"""Share of the interval within which the first run begins."""
_SOON_LIMIT_S = 1.0
"""Seconds within which the first run begins if it is requested soon."""


Interval = float | Callable[[Any], float]
"""Seconds, or a function that returns them for a conductor. The function is called at the start and at each reload."""


class PeriodicDeclaration(NamedTuple):
    """The schedule that a method declares with :func:`periodic`."""

    every: Interval
    run_immediately: bool = False
    """True if the first run begins soon after the start, instead of anywhere in the first interval."""


def periodic(*, every: Interval, run_immediately: bool = False) -> Callable[[F], F]:
    """Return a decorator that declares a method ``(self, conductor)`` as periodic: it runs once in *every* seconds.

    The runs begin when a conductor starts to which the method's object was added. *every* may be a function that returns
    the seconds for a conductor, because the configuration is not known at import. The first run begins at a random time in
    the first interval, so that not all runs begin at once. With *run_immediately* it begins in the first tenth of the
    interval and within one second. Raises ``ValueError`` if *every* is a number that is not positive.
    """
    if not callable(every) and every <= 0:
        raise ValueError(f"periodic(every={every}): the interval has to be more than 0 seconds")

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, PeriodicDeclaration(every, run_immediately))
        return method

    return declare


def resolve_interval(interval: Interval, conductor: Any) -> float:
    """Return the seconds of an interval for the conductor's current configuration."""
    return interval(conductor) if callable(interval) else interval


def find_periodic_methods(thing: object) -> list[tuple[Callable[..., Any], PeriodicDeclaration]]:
    """Return the methods of *thing* that :func:`periodic` or futurist's decorator declares, with their declarations."""
    found = ((name, _declaration_of(getattr(type(thing), name, None))) for name in dir(type(thing)))
    return [(getattr(thing, name), declaration) for name, declaration in found if declaration is not None]


def bind_conductor(function: Callable[..., Any], conductor: Any) -> Callable[[], Any]:
    """Return a function without arguments that calls *function* with the conductor, or with nothing if it takes no argument."""
    return functools.partial(function, conductor) if inspect.signature(function).parameters else function


def _declaration_of(method: Any) -> PeriodicDeclaration | None:
    """Return the declaration of a method, or None.

    futurist's decorator is recognized by the attributes that it sets, so that futurist need not be imported.
    """
    declaration: PeriodicDeclaration | None = getattr(method, _ATTRIBUTE, None)
    if declaration is None and getattr(method, "_is_periodic", False):
        spacing: float = method._periodic_spacing
        declaration = PeriodicDeclaration(spacing, bool(getattr(method, "_periodic_run_immediately", False)))
    return declaration


def _is_never_again(error: BaseException) -> bool:
    """Return whether a run ended with futurist's ``NeverAgain``, recognized by name without importing futurist."""
    return any((cls.__module__, cls.__name__) == ("futurist.periodics", "NeverAgain") for cls in type(error).__mro__)


class Periodic:
    """A function that runs repeatedly on *executor*. A run is scheduled after the previous run has ended: runs never overlap.

    Errors of *function* are logged. Each failure in a row doubles the time to the next run, up to 16 intervals, unless
    *backs_off* is false: a sign of life has to resume as soon as it can. A run that fails because the store is away does
    not back off either. The next run follows after one interval, but within 10 seconds, so that all work resumes soon after
    the store has returned. If the executor refuses a run, the next attempt follows after one interval. *timer* starts the
    runs. Thread-safe.
    """

    def __init__(
        self,
        function: Callable[[], Any],
        every: float,
        *,
        timer: Timer,
        executor: Executor,
        name: str,
        backs_off: bool = True,
    ) -> None:
        self.name = name
        self.every = every
        """Interval, in seconds, between the end of a run and the beginning of the next."""
        self.runs = 0
        """Number of runs that have ended."""
        self.failed = 0
        """Number of runs that ended with an error."""
        self.failures = 0
        """Number of failed runs since the last successful run."""
        self.refused = 0
        """Number of runs that the executor refused."""
        self._function = function
        self._timer = timer
        self._executor = executor
        self._backs_off = backs_off
        self._outage_failures = 0
        """Number of runs in a row that failed because the store was away."""
        self._lock = threading.Lock()
        self._next: ScheduledCall | None = None
        self._stopped = self._is_paused = False
        # Set while no run is submitted or running. stop() waits for it.
        self._is_resting = threading.Event()
        self._is_resting.set()

    def start(self, spread: float = _DEFAULT_SPREAD, *, soon: bool = False) -> None:
        """Schedule the first run at a random time, so that not all periodic functions begin at once.

        *spread* is the share of the interval (0 to 1) within which the run begins. With *soon*, the run begins within the
        first tenth of the interval and within one second.
        """
        latest = self.every * (min(spread, _DEFAULT_SPREAD) if soon else spread)
        self._schedule(random.uniform(0.0, min(latest, _SOON_LIMIT_S) if soon else latest))

    def change_interval(self, every: float) -> None:
        """Change the interval; 0 pauses the runs until the next change.

        A scheduled run moves forward if it would begin later than one new interval from now.
        """
        with self._lock:
            self._is_paused = every <= 0
            self.every = every or self.every
            scheduled, now = self._next, self._timer.clock.monotonic()
            # A run in progress schedules its successor itself, with the new interval.
            is_running = not self._is_resting.is_set()
            is_soon_enough = scheduled is not None and every > 0 and scheduled.at - now <= every
            keep = is_running or is_soon_enough
            if not keep:
                self._cancel_next_locked()
        if not keep:
            self._schedule(every)

    def stop(self, timeout: float = 0.0) -> bool:
        """Schedule no more runs, and wait up to *timeout* seconds for a run in progress; return True if no run is in progress."""
        with self._lock:
            self._stopped = True
            self._cancel_next_locked()
        return self._is_resting.wait(timeout)

    def _schedule(self, seconds: float) -> None:
        with self._lock:
            if not (self._stopped or self._is_paused):
                self._cancel_next_locked()
                self._next = self._timer.after(seconds, self._submit)

    def _cancel_next_locked(self) -> None:
        """Cancel the scheduled run. At most one run is ever scheduled: a second one would overlap with it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _submit(self) -> None:
        with self._lock:
            # The timer may have begun this call before stop() or change_interval() cancelled it.
            if self._stopped or not self._is_resting.is_set():
                return
            self._cancel_next_locked()
            self._is_resting.clear()
        try:
            self._executor.submit(self._run).add_done_callback(self._finish_run)
        except Exception as exc:
            # Whatever error the executor raises, wait a full interval, and do not lose the next run.
            self._is_resting.set()
            self.refused += 1
            LOG.warning("periodic %s was not run, and will be tried again after its interval: %s", self.name, exc)
            self._schedule(self.every)

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as exc:
            if _is_never_again(exc):
                LOG.info("periodic %s will not run again, as it requested: %s", self.name, exc)
                self.stop()
                return
            self._record_failure(exc)
        else:
            self.failures = self._outage_failures = 0
        finally:
            self.runs += 1

    def _record_failure(self, error: BaseException) -> None:
        self.failed += 1
        if isinstance(error, StoreUnavailable):
            # Once per outage: the store logs when it goes away and when it returns.
            level = logging.DEBUG if self._outage_failures else logging.WARNING
            self._outage_failures += 1
            LOG.log(level, "periodic %s has to wait for the store: %s", self.name, error)
            return
        self._outage_failures = 0
        self.failures += 1
        LOG.error("periodic %s failed, %d times in a row", self.name, self.failures, exc_info=error)

    def _compute_pause(self) -> float:
        """Return the seconds from the end of a run to the beginning of the next."""
        if self._outage_failures:
            # Spread, so that the jobs of many conductors do not meet at a store that has just returned.
            return random.uniform(0.5, 1.0) * min(self.every, _MAX_OUTAGE_RETRY_S)
        factor = min(_MAX_BACKOFF_FACTOR, 2.0**self.failures) if self._backs_off else 1.0
        return self.every * factor

    def _finish_run(self, future: Future[None]) -> None:
        """Schedule the next run. This is also called if the run was cancelled before it began."""
        # Scheduled after the run and not at its beginning, so that a run that takes longer than the interval overlaps nothing.
        self._is_resting.set()
        self._schedule(self._compute_pause())
