"""Context of running code: the API request that it serves, also in background work, and the deadline of its RPC call."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from baremetal_interfaces import Deadline
from baremetal_interfaces.text import clean_text
from baremetal_sdk.logs import MAX_FIELD_LENGTH


def new_request_id() -> str:
    """Return a new request ID in the form of OpenStack services: ``req-<UUID>``."""
    return f"req-{uuid.uuid4()}"


@dataclass(frozen=True)
class RequestContext:
    """One request: its ID and its caller. *user* is None if the request was not authenticated."""

    request_id: str = field(default_factory=new_request_id)
    user: str | None = None
    project: str | None = None
    roles: frozenset[str] = frozenset()
    is_system: bool = False
    """True for a token with system scope, False for one with project scope."""
    project_name: str | None = None
    project_domain: str | None = None
    """The ID of the project's domain."""


class RequestIdFilter(logging.Filter):
    """Adds ``request_id`` to each log record: the ID of the request that the code runs for, or "-".

    Add it to a handler of the host application (``handler.addFilter(RequestIdFilter())``) and use ``%(request_id)s`` in the
    handler's format. The ID follows a request through the pool, so records of libraries have it too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add ``request_id`` to *record* and return True."""
        request = current_request.get()
        record.request_id = "-" if request is None else clean_text(request.request_id, MAX_FIELD_LENGTH)
        return True


current_request: ContextVar[RequestContext | None] = ContextVar("baremetal_sdk_request", default=None)
"""The request that the running code serves. The pool passes it to the worker with each job."""

_call_deadline: ContextVar[tuple[Deadline, int] | None] = ContextVar("baremetal_sdk_call_deadline", default=None)


@contextmanager
def calling_until(deadline: Deadline) -> Iterator[None]:
    """Set a *deadline* for the RPC calls that this thread makes within the block. An earlier outer deadline stays in force.

    The deadline covers the time for which the caller waits. Background work that a call starts does not inherit it.
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
    """Return the deadline of the RPC call that this thread makes or answers. Return None without one, and in background work."""
    deadline_and_thread = _call_deadline.get()
    if deadline_and_thread is None:
        return None
    # The pool copies context variables into workers. A different thread shows that this is background work of the call.
    deadline, thread = deadline_and_thread
    return deadline if thread == threading.get_ident() else None
