"""On whose behalf something is done: it travels with every call and every task."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from baremetal_interfaces import Deadline


def new_request_id() -> str:
    """A request id in the form that OpenStack services use."""
    return f"req-{uuid.uuid4()}"


@dataclass(frozen=True)
class RequestContext:
    """One request: its id, and who sent it (None where nobody was asked for a name)."""

    request_id: str = field(default_factory=new_request_id)
    user: str | None = None
    project: str | None = None
    roles: frozenset[str] = frozenset()
    is_system: bool = False
    """Whether it was sent on behalf of the whole system, and not of a project. It matters where the request comes in."""
    project_name: str | None = None
    project_domain: str | None = None
    """The id of the domain that the project is in."""


class RequestIdFilter(logging.Filter):
    """Gives each log record the request that it belongs to, as ``request_id`` ("-" for none).

    For handlers of the host application: ``handler.addFilter(RequestIdFilter())``, and ``%(request_id)s`` in its format. It
    follows a request through the pool into every line of its task, those of libraries included.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field; let the record pass."""
        request = current_request.get()
        record.request_id = "-" if request is None else request.request_id
        return True


current_request: ContextVar[RequestContext | None] = ContextVar("baremetal_sdk_request", default=None)
"""The request that the running code serves. The pool hands it to the worker with the task."""


_call_deadline: ContextVar[tuple[Deadline, int] | None] = ContextVar("baremetal_sdk_call_deadline", default=None)


@contextmanager
def calling_until(deadline: Deadline) -> Iterator[None]:
    """Give the calls to a conductor that this thread makes in the block a *deadline*; one that is there already counts as well.

    It is the caller's patience, and so it ends with the call: work that a call hands over to a worker does not inherit it.
    """
    outer = call_deadline()
    if outer is not None and outer.remaining() < deadline.remaining():
        deadline = outer
    token = _call_deadline.set((deadline, threading.get_ident()))
    try:
        yield
    finally:
        _call_deadline.reset(token)


def call_deadline() -> Deadline | None:
    """When the call that this very thread makes, or answers, has to be over; None where nobody said."""
    found = _call_deadline.get()
    return found[0] if found is not None and found[1] == threading.get_ident() else None
