"""A service of a host application that does whatever a test asks for."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces import BareMetalError, Cancelled, Deadline
from baremetal_sdk import rpc_method
from baremetal_sdk.context import RequestContext, call_deadline, current_request
from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.observability.tracing import current_span


class Probe:
    """Its public methods that are not registered cannot be called."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.casts: list[Any] = []
        self.seen = threading.Event()
        self.raising: BaseException | None = None
        self.runs = 0

    @rpc_method("1.0")
    def echo(self, value: Any) -> Any:
        """Give it back."""
        self.runs += 1
        return value

    @rpc_method("1.2")
    def newer(self, value: int = 0) -> int:
        """Changed since the first version."""
        return value

    @rpc_method("1.0")
    def fail(self) -> None:
        """Raise what the test has put there."""
        assert self.raising is not None
        raise self.raising

    @rpc_method("1.0")
    def mistake(self) -> Any:
        """Make a mistake of a programmer."""
        secret: Any = "hunter2"
        return len(5) + secret  # type: ignore[arg-type]

    @rpc_method("1.0")
    def who(self) -> tuple[RequestContext | None, float | None]:
        """Who calls, and how much time there is."""
        deadline = call_deadline()
        return _as_tuple(current_request.get()), None if deadline is None else deadline.remaining()

    @rpc_method("1.0")
    def trace(self) -> dict[str, str]:
        """The span that goes on, also remembered for casts."""
        found = dict(current_span())
        self.casts.append(found)
        self.seen.set()
        return found

    @rpc_method("1.0")
    def wait(self, seconds: float = 30.0) -> str:
        """Wait for the test to go on."""
        self.entered.set()
        self.release.wait(seconds)
        return "released"

    @rpc_method("1.0")
    def work_until_cancelled(self) -> None:
        """Do what a task does that is told to stop."""
        self.entered.set()
        if self.release.wait(30.0):
            raise Cancelled("told to stop, and did", step="half")

    @rpc_method("1.0")
    def remember(self, value: Any) -> None:
        """Remember what was cast."""
        self.casts.append(value)
        self.seen.set()

    @rpc_method("1.0")
    def full(self) -> None:
        """Have no room."""
        raise NoFreeWorker("the lane is full", retry_after=7.5)

    @rpc_method("1.0")
    def within(self) -> None:
        """Notice that the time is over."""
        deadline = call_deadline() or Deadline.after(30.0)
        while not deadline.expired:
            self.release.wait(min(0.05, deadline.remaining()))
        deadline.check("the probe's work")

    @rpc_method("1.0")
    def not_for_the_wire(self) -> Any:
        """Give back what only a program can have."""
        return threading.Lock()

    @rpc_method("1.0")
    def grow(self, size: int) -> str:
        """A text of that size."""
        return "x" * size

    def never(self) -> None:
        """Not registered."""
        self.runs += 1000


def _as_tuple(context: RequestContext | None) -> Any:
    return None if context is None else (context.request_id, context.user, context.project, sorted(context.roles))


class Unheard(BareMetalError):
    """A host application's own error."""

    code = 418
