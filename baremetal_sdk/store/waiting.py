"""How long calls of a store wait for a database that is away: work waits, and requests fail at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_WAIT_S = 1.0
"""Seconds for which a request waits for the database while it is not known yet whether the database is away."""

_failing_fast: ContextVar[int | None] = ContextVar("baremetal_sdk_store_failing_fast", default=None)


@contextmanager
def failing_fast() -> Iterator[None]:
    """Let calls of the store within the block raise ``StoreUnavailable`` at once while the database is known to be away.

    For code whose caller waits: requests of the API and of RPC. All other code is work, which waits for the database.
    Background work that the block starts on other threads waits, too.
    """
    token = _failing_fast.set(threading.get_ident())
    try:
        yield
    finally:
        _failing_fast.reset(token)


def is_failing_fast() -> bool:
    """Return whether this thread runs within :func:`failing_fast`."""
    # The pool copies context variables into workers. A different thread shows that this is background work.
    return _failing_fast.get() == threading.get_ident()
