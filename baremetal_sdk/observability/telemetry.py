"""Observation of the runtime's work by metrics and traces.

Code begins an observation of a piece of work and ends it with an outcome. Without observers this costs about a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self

from baremetal_interfaces import (
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    Busy,
    Cancelled,
    DeadlineExceeded,
    NodeLocked,
    NotFound,
)

SUCCEEDED = "succeeded"
FAILED = "failed"
REFUSED = "refused"
WAITING = "waiting"
_OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (BMCUnreachable, "unreachable"),
    (AuthenticationFailed, "authentication_failed"),
    (DeadlineExceeded, "timeout"),
    (BMCBusy, "busy"),
    (Busy, "busy"),
    (NodeLocked, "locked"),
    (NotFound, "not_found"),
    (Cancelled, "cancelled"),
)


class Work(StrEnum):
    """Kinds of work that can be observed."""

    REQUEST = "request"
    """A request of the API. Labels: method, route, code."""
    TASK = "task"
    """Exclusive work on a node, from the acquisition of its lease to the end. Label: purpose."""
    STEP = "step"
    """One step of a run, or one poll of a waiting step. Labels: phase, interface, step."""
    BMC_CALL = "bmc call"
    """A call of a driver's method. Labels: interface, method. Metrics count it only if the call used a session of a BMC."""
    LOGIN = "login"
    """A login at a BMC."""
    POWER_OBSERVATION = "power observation"
    """A scheduled read of a node's power state, from the time at which it was due."""
    SENSOR_READING = "sensor reading"
    """A reading of all sensors of a node."""
    RPC_CALL = "rpc call"
    """A call of a conductor. Labels: method, and side: ``server`` or ``client``."""
    TRANSACTION = "transaction"
    """A use of the database. Label: kind, ``read`` or ``write``."""


class Observer(Protocol):
    """Receiver of observations, for example of metrics or traces."""

    def listener_for(self, work: Work) -> WorkListener | None:
        """Return the listener for this kind of work, or None to ignore it."""


class WorkListener(Protocol):
    """Receiver of the observations of one kind of work.

    Its methods run in the thread that does the work. Their exceptions are not caught.
    """

    def on_begin(self, observation: Observation) -> Any:
        """Handle the start of work. The result is passed to later calls as *state*. If it is None, ``on_enter`` is not called."""

    def on_enter(self, observation: Observation, state: Any) -> Callable[[], None] | None:
        """Make this work the parent of all work that begins in the current context (of ``contextvars``).

        Return a function that undoes this, or None if there is nothing to undo.
        """

    def on_end(self, observation: Observation, state: Any) -> None:
        """Handle the end of work. ``outcome`` and ``seconds`` of *observation* are set."""


class Observation:
    """One piece of work. As a context manager, it ends with the block, and an exception in the block sets the outcome.

    *labels* have few different values each, because every combination becomes a time series. *details* may have any values,
    such as the UUID of a node.
    """

    __slots__ = ("_listeners", "_undo_functions", "began_at", "details", "labels", "outcome", "seconds", "work")

    def __init__(self, listeners: tuple[WorkListener, ...], work: Work, labels: dict[str, str], details: dict[str, Any]) -> None:
        self.work = work
        self.labels = labels
        self.details = details
        self.outcome = SUCCEEDED
        self.seconds = 0.0
        self.began_at = time.perf_counter()
        self._undo_functions: list[Callable[[], None]] = []
        self._listeners = [(listener, listener.on_begin(self)) for listener in listeners] if listeners else []

    def enter(self) -> None:
        """Make this work the parent of all work that begins in the current context (of ``contextvars``)."""
        for listener, state in self._listeners:
            if state is None:
                continue
            undo = listener.on_enter(self, state)
            if undo is not None:
                self._undo_functions.append(undo)

    def leave(self) -> None:
        """Undo :meth:`enter`, in the same context."""
        while self._undo_functions:
            self._undo_functions.pop()()

    def end(self, outcome: str | None = None) -> None:
        """End the work, with *outcome* or the outcome that was set before. Listeners are called only at the first end."""
        self.outcome = outcome or self.outcome
        self.seconds = time.perf_counter() - self.began_at
        listeners, self._listeners = self._listeners, []
        for listener, state in listeners:
            listener.on_end(self, state)

    def __enter__(self) -> Self:
        if self._listeners:
            self.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if not self._listeners:
            return
        self.leave()
        self.end(classify_outcome(exc) if exc is not None else None)


class Propagator(Protocol):
    """Interface that connects the traces of processes: of a caller, and of the process that it calls."""

    def current_trace(self) -> Mapping[str, str]:
        """Return the trace headers that identify the current work to a called process."""

    def continue_trace(self, headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """Make work within the block a child of the work that *headers* identify."""


class Telemetry:
    """Telemetry of one conductor, one API or one store: it begins observations, and reports them to *observers*.

    *propagator* connects traces across processes. ``begin`` may be called from any thread.
    """

    def __init__(self, *observers: Observer, propagator: Propagator | None = None) -> None:
        self._propagator = propagator
        self._observers: tuple[Observer, ...] = ()
        self._listeners: dict[Work, tuple[WorkListener, ...]] = {}
        self.add(*observers)

    def observes(self, work: Work) -> bool:
        """Return whether any observer listens to this kind of work."""
        return bool(self._listeners[work])

    def add(self, *observers: Observer) -> None:
        """Add *observers* for work that begins from now on."""
        self._set_observers((*self._observers, *observers))

    def remove(self, *observers: Observer) -> None:
        """Remove *observers* for work that begins from now on. Work that has begun still reports its end to them."""
        self._set_observers(tuple(observer for observer in self._observers if observer not in observers))

    def begin(self, work: Work, labels: dict[str, str] | None = None, **details: Any) -> Observation:
        """Begin an observation of a piece of work, and return it. The caller ends it, or uses it in a ``with`` block.

        :class:`Work` lists the *labels* of each kind of work. *details* are other values for traces, such as ``node``.
        """
        return Observation(self._listeners[work], work, labels or {}, details)

    def current_trace(self) -> Mapping[str, str]:
        """Return the trace headers for a call to another process. Without a propagator they are empty."""
        return {} if self._propagator is None else self._propagator.current_trace()

    def continue_trace(self, headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """Make work within the block a child of the caller's work in the process that sent *headers*."""
        return nullcontext() if self._propagator is None else self._propagator.continue_trace(headers)

    def _set_observers(self, observers: tuple[Observer, ...]) -> None:
        # Observers are asked here once for each kind of work, not at each begin(): work without a listener, which is most work
        # of most processes, costs one dictionary lookup. begin() reads the finished dictionary without a lock.
        self._observers = observers
        asked = {work: [observer.listener_for(work) for observer in observers] for work in Work}
        self._listeners = {
            work: tuple(listener for listener in listeners if listener is not None) for work, listeners in asked.items()
        }


def classify_outcome(exc: BaseException) -> str:
    """Return the outcome of work that raised *exc*, for metrics and traces, such as ``unreachable`` or ``timeout``.

    Other errors of the contract with a code below 500 are ``refused``. All remaining exceptions are ``failed``.
    """
    for kind, outcome in _OUTCOMES:
        if isinstance(exc, kind):
            return outcome
    return REFUSED if isinstance(exc, BareMetalError) and exc.code < 500 else FAILED
