"""A service of a host application with methods for the RPC tests."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces import BareMetalError, Cancelled, Deadline
from baremetal_sdk import rpc_method
from baremetal_sdk.context import RequestContext, call_deadline, current_request
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.observability.tracing import current_span


class Probe:
    """Registered methods, and one public method that is not registered."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.casts: list[Any] = []
        self.seen = threading.Event()
        self.raising: BaseException | None = None
        self.runs = 0

    @rpc_method("1.0")
    def echo(self, value: Any) -> Any:
        """Return *value*."""
        self.runs += 1
        return value

    @rpc_method("1.2")
    def newer(self, value: int = 0) -> int:
        """Return *value*. The method has a later version than the others."""
        return value

    @rpc_method("1.0")
    def fail(self) -> None:
        """Raise the exception that the test has set."""
        assert self.raising is not None
        raise self.raising

    @rpc_method("1.0")
    def mistake(self) -> Any:
        """Raise a TypeError, with a secret in a local variable."""
        secret: Any = "hunter2"
        return len(5) + secret  # type: ignore[arg-type]

    @rpc_method("1.0")
    def who(self) -> tuple[RequestContext | None, float | None]:
        """Return the request context and the remaining seconds."""
        deadline = call_deadline()
        return _as_tuple(current_request.get()), None if deadline is None else deadline.remaining()

    @rpc_method("1.0")
    def trace(self) -> dict[str, str]:
        """Return and remember the current span."""
        span = dict(current_span())
        self.casts.append(span)
        self.seen.set()
        return span

    @rpc_method("1.0")
    def wait(self, seconds: float = 30.0) -> str:
        """Wait up to *seconds* until the test releases the call."""
        self.entered.set()
        self.release.wait(seconds)
        return "released"

    @rpc_method("1.0")
    def work_until_cancelled(self) -> None:
        """Raise Cancelled once the test releases the call, like cancelled work."""
        self.entered.set()
        if self.release.wait(30.0):
            raise Cancelled("the work was cancelled", step="half")

    @rpc_method("1.0")
    def remember(self, value: Any) -> None:
        """Remember *value*."""
        self.casts.append(value)
        self.seen.set()

    @rpc_method("1.0")
    def full(self) -> None:
        """Raise NoFreeWorker."""
        raise NoFreeWorker("the lane is full", retry_after=7.5)

    @rpc_method("1.0")
    def within(self) -> None:
        """Work until the deadline, and raise DeadlineExceeded."""
        deadline = call_deadline() or Deadline.after(30.0)
        while not deadline.expired:
            self.release.wait(min(0.05, deadline.remaining()))
        deadline.check("the probe's work")

    @rpc_method("1.0")
    def not_for_the_wire(self) -> Any:
        """Return a value that cannot be sent."""
        return threading.Lock()

    @rpc_method("1.0")
    def grow(self, size: int) -> str:
        """Return a text of *size* characters."""
        return "x" * size

    def never(self) -> None:
        """Do nothing useful: this method is not registered."""
        self.runs += 1000


def _as_tuple(context: RequestContext | None) -> Any:
    return None if context is None else (context.request_id, context.user, context.project, sorted(context.roles))


class Unheard(BareMetalError):
    """An error class of the host application."""

    code = 418
