"""What the runtime does, told to whoever observes it: the one place that metrics and traces are made from.

A piece of work is begun, and ended with an outcome. Without an observer that costs about a microsecond.
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
    """What is observed."""

    REQUEST = "request"
    """A request of the API. Labels: method, route, code."""
    TASK = "task"
    """Exclusive work on a node, from its lease to the end. Label: purpose."""
    STEP = "step"
    """One step of a run, or one look at a step that waits. Labels: phase, interface, step."""
    BMC_CALL = "bmc call"
    """A call of a driver's method. Labels: interface, method. It counts as one of a BMC where a session was borrowed in it."""
    LOGIN = "login"
    """A login at a BMC."""
    POWER_OBSERVATION = "power observation"
    """A look at a node's power that nobody asked for, from when it was due."""
    SENSOR_READING = "sensor reading"
    """A reading of all sensors of a node."""
    RPC_CALL = "rpc call"
    """A call of a conductor. Labels: method, and side: ``server`` or ``client``."""
    TRANSACTION = "transaction"
    """A use of the database. Label: kind, ``read`` or ``write``."""


class Observer(Protocol):
    """Wants to hear of work."""

    def listener_for(self, work: Work) -> WorkListener | None:
        """Who is told of this kind of work; None where it is of no interest."""


class WorkListener(Protocol):
    """Hears of work, in the thread that does it. What it raises is not caught."""

    def on_begin(self, one: Observation) -> Any:
        """Work begins; the result is handed back below. After None nothing is told before the end."""

    def on_enter(self, one: Observation, kept: Any) -> Callable[[], None] | None:
        """What is begun in this context from now on is a part of this work, until the result is called."""

    def on_end(self, one: Observation, kept: Any) -> None:
        """Work has ended: ``outcome`` and ``seconds`` are known."""


class Observation:
    """One piece of work. As a context manager it ends with the block, and an error in the block is its outcome.

    *labels* have few values each; *details* have any, such as the UUID of a node.
    """

    __slots__ = ("_left", "_listeners", "began_at", "details", "labels", "outcome", "seconds", "work")

    def __init__(self, listeners: tuple[WorkListener, ...], work: Work, labels: dict[str, str], details: dict[str, Any]) -> None:
        self.work = work
        self.labels = labels
        self.details = details
        self.outcome = SUCCEEDED
        self.seconds = 0.0
        self.began_at = time.perf_counter()
        self._left: list[Callable[[], None]] = []
        self._listeners = [(listener, listener.on_begin(self)) for listener in listeners] if listeners else []

    def enter(self) -> None:
        """Let what is begun in this context from now on be a part of this work."""
        for listener, kept in self._listeners:
            if kept is not None and (leave := listener.on_enter(self, kept)) is not None:
                self._left.append(leave)

    def leave(self) -> None:
        """End what :meth:`enter` began, in the same context."""
        while self._left:
            self._left.pop()()

    def end(self, outcome: str | None = None) -> None:
        """The work has ended. A second time means nothing."""
        self.outcome = outcome or self.outcome
        self.seconds = time.perf_counter() - self.began_at
        listeners, self._listeners = self._listeners, []
        for listener, kept in listeners:
            listener.on_end(self, kept)

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
    """Lets work in another process be a part of the work here that asked for it."""

    def current_trace(self) -> Mapping[str, str]:
        """What goes with a call, so that the other process knows what goes on here."""

    def continue_trace(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        """What is begun in the block is a part of what went on where *carried* came from."""


class Telemetry:
    """Those who observe the work of one conductor, one API or one store. *propagator* makes it hang together with others'."""

    def __init__(self, *observers: Observer, propagator: Propagator | None = None) -> None:
        self._propagator = propagator
        self._observers: tuple[Observer, ...] = ()
        self._told: dict[Work, tuple[WorkListener, ...]] = {}
        self.add(*observers)

    def observes(self, work: Work) -> bool:
        """Whether anybody wants to hear of this kind of work."""
        return bool(self._told[work])

    def add(self, *observers: Observer) -> None:
        """Tell *observers* as well, of what begins from now on."""
        self._tell((*self._observers, *observers))

    def remove(self, *observers: Observer) -> None:
        """Tell *observers* of nothing that begins from now on."""
        self._tell(tuple(one for one in self._observers if one not in observers))

    def begin(self, work: Work, labels: dict[str, str] | None = None, **details: Any) -> Observation:
        """Begin a piece of work."""
        return Observation(self._told[work], work, labels or {}, details)

    def current_trace(self) -> Mapping[str, str]:
        """What goes with a call to another process; empty where nobody wants that."""
        return {} if self._propagator is None else self._propagator.current_trace()

    def continue_trace(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        """What is begun in the block is a part of what went on in the process that sent *carried*."""
        return nullcontext() if self._propagator is None else self._propagator.continue_trace(carried)

    def _tell(self, observers: tuple[Observer, ...]) -> None:
        self._observers = observers
        heard = {work: [one.listener_for(work) for one in observers] for work in Work}
        self._told = {work: tuple(one for one in found if one is not None) for work, found in heard.items()}


def classify_outcome(exc: BaseException) -> str:
    """How work ended that raised *exc*, in one of a few words."""
    for kind, outcome in _OUTCOMES:
        if isinstance(exc, kind):
            return outcome
    return REFUSED if isinstance(exc, BareMetalError) and exc.code < 500 else FAILED
