"""What fails in a database, told to the operator: what has happened and what to do, and never a password."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.sql.sqlite import explain_sqlite_error

P = ParamSpec("P")
R = TypeVar("R")

_RETRY_AFTER = 5.0
_ATTEMPTS = 5
_AWAY = 15.0
"""Seconds for which a database server that went away is waited for: it is being restarted."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_LONGEST_STEP = 0.02
_DEADLOCKS = frozenset({"40001", "40P01", 1213})
"""PostgreSQL's states and MariaDB's number for a transaction that was ended because it and another waited for each other."""


class TransactionConflict(StoreUnavailable):
    """Another process was in the way of a transaction, and is no longer: the same again can succeed."""


class ConnectionLost(StoreUnavailable):
    """The database server went away before anything was kept: the same again can succeed once it is back."""


def retry_on_conflict(function: Callable[P, R]) -> Callable[P, R]:
    """Do something again, a few times when it collided, and for a while when the connection was lost: nothing was kept."""

    @wraps(function)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        collisions, given_up_at, pause = 0, time.monotonic() + _AWAY, _FIRST_PAUSE
        while True:
            try:
                return function(*args, **kwargs)
            except TransactionConflict:
                collisions += 1
                if collisions == _ATTEMPTS:
                    raise
                # Two that collided do not go on in step.
                time.sleep(random.uniform(0.0, _LONGEST_STEP * collisions))
            except ConnectionLost:
                if time.monotonic() + pause > given_up_at:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    return repeated


@contextmanager
def translate_errors(url: URL, *, may_be_kept: bool = False) -> Iterator[None]:
    """Raise ``StoreUnavailable`` in place of what the database toolkit raises.

    With *may_be_kept* nobody knows what became of a transaction whose connection is lost, and it is not made again.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as exc:
        message = f"the database {mask_password(url)} cannot be used: {_reason(exc, url)}"
        kind = StoreUnavailable
        if _is_conflict(exc):
            kind = TransactionConflict
        elif _is_lost(exc, url) and not may_be_kept:
            kind = ConnectionLost
        raise kind(message, retry_after=_RETRY_AFTER) from exc


def mask_password(url: URL) -> str:
    """A URL without its password."""
    return url.render_as_string(hide_password=True)


def _is_conflict(error: DBAPIError | PoolTimeout) -> bool:
    # A value that was taken is told before; what is left is a row that another process has just made.
    if isinstance(error, PoolTimeout) or error.orig is None:
        return False
    code = getattr(error.orig, "sqlstate", None) or next(iter(error.orig.args), None)
    return isinstance(error, IntegrityError) or code in _DEADLOCKS


def _is_lost(error: DBAPIError | PoolTimeout, url: URL) -> bool:
    """Whether a server that was there has gone: what it said last, or that nobody takes connections."""
    if isinstance(error, PoolTimeout) or url.get_backend_name() == "sqlite":
        return False
    return error.connection_invalidated or (error.statement is None and isinstance(error, OperationalError))


def _reason(error: DBAPIError | PoolTimeout, url: URL) -> str:
    if isinstance(error, PoolTimeout):
        return "all its connections were in use for too long: it answers too slowly, or too much is asked of it at once"
    reason = explain_sqlite_error(error.orig, url)
    if reason is not None:
        return reason
    text = _without_password(" ".join(str(error.orig).split()), url)
    if error.statement is not None and not error.connection_invalidated:
        return text
    return f"{text}: see that it runs, and that [database] connection has the right address, account and password"


def _without_password(text: str, url: URL) -> str:
    """A driver may quote what it was given."""
    return text.replace(str(url.password), "***") if url.password else text
