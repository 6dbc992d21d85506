"""What fails in a database, told to the operator: what has happened and what to do, and never a password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.sqlite import sqlite_reason

P = ParamSpec("P")
R = TypeVar("R")

_RETRY_AFTER = 5.0
_ATTEMPTS = 5
_DEADLOCKS = frozenset({"40001", "40P01", 1213})
"""PostgreSQL's states and MariaDB's number for a transaction that was ended because it and another waited for each other."""


class Collision(StoreUnavailable):
    """Another process was in the way of a transaction, and is no longer: the same again can succeed."""


def collisions_repeated(write: Callable[P, R]) -> Callable[P, R]:
    """Do a write again, a few times, when it collided: nothing of it was kept."""

    @wraps(write)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_ATTEMPTS - 1):
            try:
                return write(*args, **kwargs)
            except Collision:
                continue
        return write(*args, **kwargs)

    return repeated


@contextmanager
def failures_told(url: URL) -> Iterator[None]:
    """Raise ``StoreUnavailable`` in place of what the database toolkit raises."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as exc:
        message = f"the database {shown(url)} cannot be used: {_reason(exc, url)}"
        raise (Collision if _is_collision(exc) else StoreUnavailable)(message, retry_after=_RETRY_AFTER) from exc


def shown(url: URL) -> str:
    """A URL without its password."""
    return url.render_as_string(hide_password=True)


def _is_collision(error: DBAPIError | PoolTimeout) -> bool:
    # A value that was taken is told before; what is left is a row that another process has just made.
    if isinstance(error, PoolTimeout) or error.orig is None:
        return False
    code = getattr(error.orig, "sqlstate", None) or next(iter(error.orig.args), None)
    return isinstance(error, IntegrityError) or code in _DEADLOCKS


def _reason(error: DBAPIError | PoolTimeout, url: URL) -> str:
    if isinstance(error, PoolTimeout):
        return "all its connections were in use for too long: it answers too slowly, or too much is asked of it at once"
    reason = sqlite_reason(error.orig, url)
    if reason is not None:
        return reason
    text = _without_password(" ".join(str(error.orig).split()), url)
    if error.statement is not None and not error.connection_invalidated:
        return text
    return f"{text}: see that it runs, and that [database] connection has the right address, account and password"


def _without_password(text: str, url: URL) -> str:
    """A driver may quote what it was given."""
    return text.replace(str(url.password), "***") if url.password else text
