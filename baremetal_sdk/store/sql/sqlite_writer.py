"""The connection of a process that writes to SQLite: one, because SQLite has one writer at a time, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine

from baremetal_sdk.store.sql.sqlite_statements import execute_sqlite


class SQLiteWriter:
    """Makes transactions that write, one after the other: SQLite would let others sleep, here they stand in line."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = Lock()
        self._kept: Connection | None = None
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, committed at the end and rolled back by an exception."""
        with self._turn:
            connection, self._kept = self._kept or self._connect(), None
            keep = False
            try:
                # IMMEDIATE: one that read before it wrote would fail at once where another process writes, and not wait.
                execute_sqlite(connection, "BEGIN IMMEDIATE")
                yield connection
                execute_sqlite(connection, "COMMIT")
                keep = not self._closed
            except BaseException:
                keep = _roll_back(connection) and not self._closed
                raise
            finally:
                if keep:
                    self._kept = connection
                else:
                    connection.close()

    def close(self) -> None:
        """Close the connection; one that is in use is closed when its transaction ends."""
        self._closed = True
        if self._turn.acquire(blocking=False):
            try:
                connection, self._kept = self._kept, None
                if connection is not None:
                    connection.close()
            finally:
                self._turn.release()

    @property
    def is_used(self) -> bool:
        """Whether a transaction is being made."""
        return self._turn.locked()

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        connection.detach()
        return connection


def _roll_back(connection: Connection) -> bool:
    """End a transaction as if it had not been; whether the connection can go on."""
    driver = connection.connection.dbapi_connection
    try:
        driver.rollback()  # type: ignore[union-attr]
    except Exception:
        return False
    return True
