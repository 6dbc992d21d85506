"""Writer of a process to SQLite, with one connection.

SQLite allows one writer at a time per file. So one connection is enough, and it stays open between transactions.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine

from baremetal_sdk.store.sql.availability import Availability
from baremetal_sdk.store.sql.sqlite import limit_lock_wait
from baremetal_sdk.store.sql.sqlite_flush import WriteAheadLogFlush
from baremetal_sdk.store.sql.sqlite_statements import execute_sqlite

_CHECK_INTERVAL_S = 0.25


class SQLiteWriter:
    """Runner of the writing transactions of a process, one after the other. Thread-safe.

    The lock makes threads wait in Python. Without it, each thread would wait in SQLite's busy handler, which sleeps and polls.

    With *synchronous*, a transaction survives a power failure once :meth:`flush` has returned after it.
    """

    def __init__(self, engine: Engine, availability: Availability, *, synchronous: bool) -> None:
        self._engine = engine
        self._availability = availability
        self._synchronous = synchronous
        self._log_flush: WriteAheadLogFlush | None = None
        """Flusher of the write-ahead log; None without *synchronous*, and where each commit flushes by itself."""
        self._write_lock = Lock()
        self._idle_connection: Connection | None = None
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Context with the connection of a writing transaction. Waits until other transactions have ended.

        The transaction is committed at the end of the block, and rolled back after an exception. Raises ``ConnectionLost``
        while another process is known to lock the file.
        """
        with self._hold_lock():
            connection = self._idle_connection or self._connect()
            self._idle_connection = None
            reusable = False
            try:
                # BEGIN IMMEDIATE takes SQLite's write lock at once and waits for other processes for a second.
                # A deferred transaction that reads first and then writes fails at once if another process writes.
                execute_sqlite(connection, "BEGIN IMMEDIATE")
                yield connection
                execute_sqlite(connection, "COMMIT")
                if self._log_flush is not None:
                    self._log_flush.add_commit()
                reusable = not self._closed
            except BaseException:
                # A connection that cannot roll back may be inside of a transaction, so it is closed.
                reusable = _roll_back(connection) and not self._closed
                raise
            finally:
                if reusable:
                    self._idle_connection = connection
                else:
                    connection.close()

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Context with the lock of the writer. The wait for it ends when another process is found to lock the file."""
        self._availability.check()
        while not self._write_lock.acquire(timeout=_CHECK_INTERVAL_S):
            self._availability.check()
        try:
            yield
        finally:
            self._write_lock.release()

    def flush(self) -> None:
        """Return after all transactions that have ended are on the disk. Return at once without *synchronous*.

        Do not call it inside of a transaction. Raises ``OSError`` if the disk fails; the transactions may be lost then.
        """
        if self._log_flush is not None:
            self._log_flush.wait()

    def close(self) -> None:
        """Close the connection. A connection in use is closed at the end of its transaction."""
        self._closed = True
        if self._write_lock.acquire(blocking=False):
            try:
                connection, self._idle_connection = self._idle_connection, None
                if connection is not None:
                    connection.close()
            finally:
                self._write_lock.release()

    @property
    def is_used(self) -> bool:
        """True while a transaction runs."""
        return self._write_lock.locked()

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        # The pool must not count or recycle a connection that is kept here.
        connection.detach()
        limit_lock_wait(connection)
        self._set_up_flush(connection)
        return connection

    def _set_up_flush(self, connection: Connection) -> None:
        """Choose how commits of this connection get to the disk. The caller holds the write lock."""
        if not self._synchronous:
            execute_sqlite(connection, "PRAGMA synchronous = NORMAL")
        elif execute_sqlite(connection, "PRAGMA journal_mode").fetchone()[0] == "wal":
            # NORMAL flushes the log before a checkpoint, and the database file after it, but not the log at each commit.
            execute_sqlite(connection, "PRAGMA synchronous = NORMAL")
            if self._log_flush is None:
                file = execute_sqlite(connection, "PRAGMA database_list").fetchone()[2]
                self._log_flush = WriteAheadLogFlush(Path(file), self._move_log)
            self._log_flush.forget_log()

    def _move_log(self) -> None:
        """Move the write-ahead log to the database file, which is then on the disk.

        Raises ``OSError`` if a reader prevents it.
        """
        with self._write_lock:
            connection = self._idle_connection or self._connect()
            self._idle_connection = None
            try:
                is_busy = execute_sqlite(connection, "PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                connection.close()
        if is_busy:
            raise OSError(errno.EBUSY, "the write-ahead log could not be moved to the database file, because it is being read")


def _roll_back(connection: Connection) -> bool:
    """Roll back the transaction. Return whether that succeeded, so that the connection can be used again."""
    driver = connection.connection.dbapi_connection
    try:
        driver.rollback()  # type: ignore[union-attr]
    except Exception:
        return False
    return True
