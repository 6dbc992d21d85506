"""Support for SQLite in the SQL store: engine, settings of connections, and error texts."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.sqlite_url import find_sqlite_file

WRITES_OPTION = "baremetal_writes"
"""Name of SQLAlchemy's execution option that marks connections whose transactions write."""
BUSY_TIMEOUT_S = 30.0
"""Seconds that a write waits while another process writes to the file. ``timeout`` in the URL overrides it."""
LOCK_WAIT_S = 1.0
"""Seconds for which one statement waits for a lock of another process."""
_CHECKPOINT_PAGES = 4000
"""Pages of 4 KiB in the write-ahead log at which a commit copies them to the database and waits for the disk.

With SQLite's default of 1000 pages, one in fifty creations of a node would wait."""
READER_CONNECTIONS = 2
"""Number of connections that read. Reads mostly hold the GIL, so more connections would only contend for it."""
_POOL_SIZE = 4
_POOL_TIMEOUT_S = 60.0
_RETRY_INTERVAL_S = 0.02


def sqlite_engine(url: URL) -> Engine:
    """Return an SQLAlchemy engine for an SQLite file, whose writing transactions begin with BEGIN IMMEDIATE.

    A deferred transaction that reads first and then writes fails at once, without a wait, if another process writes.
    Raises ``ConfigurationError`` for a database in memory.
    """
    if url.database in (None, "", ":memory:") or url.query.get("mode") == "memory":
        raise ConfigurationError(
            "[database] connection: in-memory SQLite is not supported, because each connection would get its own database; "
            "use a file path, or leave the option out to keep nodes in memory"
        )
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"timeout": busy_timeout(url), "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # Otherwise the driver begins deferred transactions by itself.
    connection.isolation_level = None
    # EXTRA makes each commit survive a power failure, also without a write-ahead log. ``SQLiteWriter`` flushes the log itself.
    for pragma in ("foreign_keys = ON", "synchronous = EXTRA", f"wal_autocheckpoint = {_CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES_OPTION):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def limit_lock_wait(connection: Connection) -> None:
    """Let statements on *connection* wait for a lock of another process for a second only.

    The store repeats the transaction for as long as its caller waits, so that no thread is stuck in SQLite.
    """
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(1000 * min(LOCK_WAIT_S, busy_timeout(connection.engine.url)))}")
    cursor.close()


def use_write_ahead_log(engine: Engine) -> None:
    """Switch the database file to write-ahead logging, so that readers do not wait for a writer.

    The mode is stored in the file. SQLite keeps the former mode, without an error, where the file system does not support it.
    """
    deadline = time.monotonic() + busy_timeout(engine.url)
    while True:
        try:
            with engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except OperationalError as exc:
            # SQLite does not use the busy timeout for this pragma, so another process that does the same makes it fail at once.
            if _code(exc.orig) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_INTERVAL_S)


def explain_sqlite_error(error: BaseException | None, url: URL) -> str | None:
    """Return a text with the cause and the remedy of an SQLite error, or None for an error without a known code."""
    code = _code(error)
    if code == sqlite3.SQLITE_CANTOPEN:
        directory = find_sqlite_file(url.database).parent
        if not directory.is_dir():
            return f"the directory {directory} does not exist; create it, or change [database] connection"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process keeps the file locked; find the process with fuser and end it"
    return _REASONS.get(code)


def is_sqlite_locked(error: BaseException | None) -> bool:
    """Return whether an SQLite error means that another process locks the file."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_sqlite_full(error: BaseException | None) -> bool:
    """Return whether an SQLite error means that the file system is full.

    SQLite reports a general input/output error if there is no space for the index of the write-ahead log.
    """
    return _code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE


def busy_timeout(url: URL) -> float:
    """Return the seconds for which work waits for a lock of another process on the file: the URL's ``timeout``, or 30."""
    return float(str(url.query.get("timeout", BUSY_TIMEOUT_S)))


def _code(error: Any) -> int:
    """Return SQLite's primary result code of an error, or 0 if the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_NOT_OPENED = "the file cannot be opened; give the service's user read and write access to the file and to its directory"
_REASONS: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the file system is full; free some space",
    sqlite3.SQLITE_READONLY: "the file is read-only; give the service's user write access to the file and to its directory",
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_PERM: _NOT_OPENED,
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database; set [database] connection to another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed; check its disk and file system",
}
