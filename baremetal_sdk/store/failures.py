"""What fails in a database, told to the operator: what has happened and what to do, and never a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.sqlite import sqlite_reason

_RETRY_AFTER = 5.0


@contextmanager
def failures_told(url: URL) -> Iterator[None]:
    """Raise ``StoreUnavailable`` in place of what the database toolkit raises."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as exc:
        message = f"the database {shown(url)} cannot be used: {_reason(exc, url)}"
        raise StoreUnavailable(message, retry_after=_RETRY_AFTER) from exc


def shown(url: URL) -> str:
    """A URL without its password."""
    return url.render_as_string(hide_password=True)


def _reason(error: DBAPIError | PoolTimeout, url: URL) -> str:
    if isinstance(error, PoolTimeout):
        return "all its connections were in use for too long: it answers too slowly, or too much is asked of it at once"
    reason = sqlite_reason(error.orig, url)
    if reason is not None:
        return reason
    text = _without_password(" ".join(str(error.orig).split()), url)
    return f"{text}: see that it runs, and that [database] connection has the right address, account and password"


def _without_password(text: str, url: URL) -> str:
    """A driver may quote what it was given."""
    return text.replace(str(url.password), "***") if url.password else text
