"""Translator of database errors into ``StoreUnavailable``, and retries of transactions.

Messages for operators name the cause and the remedy and contain no password.
"""

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

from baremetal_sdk.errors import StoreFull, StoreUnavailable
from baremetal_sdk.store.sql.availability import RETRY_AFTER_S, Availability, ConnectionLost, DiskSpace
from baremetal_sdk.store.sql.sqlite import explain_sqlite_error, is_sqlite_full, is_sqlite_locked
from baremetal_sdk.store.waiting import REQUEST_WAIT_S, is_failing_fast

P = ParamSpec("P")
R = TypeVar("R")

_MAX_CONFLICT_ATTEMPTS = 5
WORK_WAIT_S = 15.0
"""Seconds for which work waits for a database server whose connection was lost; a restart takes less."""
_FIRST_RETRY_PAUSE_S, _MAX_RETRY_PAUSE_S = 0.1, 1.0
_CONFLICT_PAUSE_STEP_S = 0.02
"""Seconds by which the upper bound of the random pause grows with each conflict."""
_DEADLOCKS = frozenset({"40001", "40P01", 1213})
"""Codes of a transaction that the database aborted: serialization failure and deadlock in PostgreSQL, deadlock in MariaDB."""
_NO_SPACE = frozenset({"53100", 1021, 1114})
"""Codes for a full disk: ``disk_full`` in PostgreSQL, ``ER_DISK_FULL`` and ``ER_RECORD_FILE_FULL`` in MariaDB."""


class TransactionConflict(StoreUnavailable):
    """Error for a transaction that conflicted with another one and was rolled back. A retry can succeed."""


def retry_on_conflict(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate *function* so that it runs again after a conflict (five runs) or after the database was away.

    Work waits for the database for 15 seconds, or on SQLite for the timeout of the file's lock. A request
    (:func:`baremetal_sdk.store.waiting.failing_fast`) fails as soon as the database is known to be away.

    The function must run one transaction. When it raises, it must not have changed anything outside of the transaction. A
    failed run has then committed nothing, so a retry is safe. The last error is raised.
    """

    @wraps(function)
    def retrying(*args: P.args, **kwargs: P.kwargs) -> R:
        conflicts, began, pause = 0, time.monotonic(), 0.0
        while True:
            try:
                return function(*args, **kwargs)
            except TransactionConflict:
                conflicts += 1
                if conflicts == _MAX_CONFLICT_ATTEMPTS:
                    raise
                # A random pause, so that the two transactions do not meet again.
                time.sleep(random.uniform(0.0, _CONFLICT_PAUSE_STEP_S * conflicts))
            except ConnectionLost as exc:
                fail_fast = is_failing_fast()
                deadline = began + (REQUEST_WAIT_S if fail_fast else exc.availability.work_wait_s)
                if not exc.availability.wait_for_return(deadline - time.monotonic(), fail_fast=fail_fast):
                    raise
                # Without a pause at first: after a restart, each pooled connection fails once.
                if time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(max(2 * pause, _FIRST_RETRY_PAUSE_S), _MAX_RETRY_PAUSE_S)

    return retrying


@contextmanager
def translate_errors(
    url: URL, availability: Availability | None = None, space: DiskSpace | None = None, *, may_be_committed: bool = False
) -> Iterator[None]:
    """Context that translates SQLAlchemy's errors of the block into ``StoreUnavailable`` or a subclass.

    A lost connection and a locked file are reported to *availability*, and a full disk to *space*. Set *may_be_committed* for
    the commit itself. After a lost connection the transaction is then committed or not, so the error is a plain
    ``StoreUnavailable``, which :func:`retry_on_conflict` does not retry.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as exc:
        message = f"the database {mask_password(url)} cannot be used: {_explain(exc, url)}"
        if _is_conflict(exc):
            raise TransactionConflict(message, retry_after=RETRY_AFTER_S) from exc
        if _is_full(exc):
            if space is not None:
                space.report(message)
            raise StoreFull(message, retry_after=RETRY_AFTER_S) from exc
        if availability is not None and _is_lost(exc, url):
            availability.report(message)
            if not may_be_committed:
                raise ConnectionLost(message, availability) from exc
        raise StoreUnavailable(message, retry_after=RETRY_AFTER_S) from exc


def flush_error(url: URL, error: OSError) -> StoreUnavailable:
    """Return the error for a commit that SQLite made, but that could not be flushed to the disk."""
    return StoreUnavailable(
        f"the database {mask_password(url)} cannot be used: its last changes could not be flushed to the disk "
        f"({error.strerror or error}), so a power failure may lose them; check the disk and its free space",
        retry_after=RETRY_AFTER_S,
    )


def mask_password(url: URL) -> str:
    """Return a database URL as text with a mask in place of its password."""
    return url.render_as_string(hide_password=True)


def _is_conflict(error: DBAPIError | PoolTimeout) -> bool:
    # ``raise_duplicates`` has translated duplicate values of records before. An integrity error that arrives here comes from
    # a row that another process inserted at the same moment, for example the row of a conductor.
    if isinstance(error, PoolTimeout) or error.orig is None:
        return False
    code = getattr(error.orig, "sqlstate", None) or next(iter(error.orig.args), None)
    return isinstance(error, IntegrityError) or code in _DEADLOCKS


def _is_lost(error: DBAPIError | PoolTimeout, url: URL) -> bool:
    """Return whether the connection to a database server was lost or refused, or another process locks an SQLite file."""
    if isinstance(error, PoolTimeout):
        return False
    if url.get_backend_name() == "sqlite":
        return is_sqlite_locked(error.orig)
    return error.connection_invalidated or (error.statement is None and isinstance(error, OperationalError))


def _is_full(error: DBAPIError | PoolTimeout) -> bool:
    if isinstance(error, PoolTimeout) or error.orig is None:
        return False
    code = getattr(error.orig, "sqlstate", None) or next(iter(error.orig.args), None)
    return is_sqlite_full(error.orig) or code in _NO_SPACE


def _explain(error: DBAPIError | PoolTimeout, url: URL) -> str:
    if isinstance(error, PoolTimeout):
        return "all connections were in use for too long; the database answers too slowly, or receives too many requests at once"
    reason = explain_sqlite_error(error.orig, url)
    if reason is not None:
        return reason
    text = _remove_password(" ".join(str(error.orig).split()), url)
    if error.statement is not None and not error.connection_invalidated:
        return text
    return f"{text}; check that it runs, and that [database] connection has the right address, account and password"


def _remove_password(text: str, url: URL) -> str:
    # Some drivers quote the connection parameters in their messages.
    return text.replace(str(url.password), "***") if url.password else text
