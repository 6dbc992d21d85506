"""All that is said to SQLite alone."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from baremetal_sdk.errors import ConfigurationError

WRITES_OPTION = "baremetal_writes"
"""The execution option of connections whose transactions write."""
BUSY_TIMEOUT_S = 30.0
"""Seconds to wait for another process that writes to the file; the URL may say another ``timeout``."""

_CHECKPOINT_AFTER = 4000
"""Pages (of 4 KiB) in the log before a commit writes them to the database and waits for the disk: with SQLite's own 1000 that is
every fiftieth node that is created."""
READER_CONNECTIONS = 2
"""Reads run under the interpreter's lock: more connections only contend for it. Other threads stand in line for these."""
_CONNECTIONS = 4
_POOL_TIMEOUT = 60.0
_RETRY_PAUSE = 0.02


def sqlite_engine(url: URL) -> Engine:
    """An engine whose writing transactions are IMMEDIATE: one that read before it wrote would fail at once, not wait."""
    if url.database in (None, "", ":memory:") or url.query.get("mode") == "memory":
        raise ConfigurationError(
            "[database] connection: an SQLite database in memory is another one for each connection: "
            "name a file, or leave the option out to keep nodes in memory"
        )
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"timeout": _busy_timeout(url), "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, and deferred ones.
    connection.isolation_level = None
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL", f"wal_autocheckpoint = {_CHECKPOINT_AFTER}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES_OPTION):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def use_write_ahead_log(engine: Engine) -> None:
    """Let readers go on while one writes. The file remembers it; what cannot have it works without."""
    deadline = time.monotonic() + _busy_timeout(engine.url)
    while True:
        try:
            with engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except OperationalError as exc:
            # Here SQLite does not wait when another process does the same.
            if _code(exc.orig) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_PAUSE)


def explain_sqlite_error(error: BaseException | None, url: URL) -> str | None:
    """What has happened and what the operator can do, for an error of SQLite that has a code."""
    code = _code(error)
    if code == sqlite3.SQLITE_CANTOPEN:
        directory = Path(url.database or "").parent
        if not directory.is_dir() and not url.query.get("uri"):
            return f"the directory {directory} does not exist: create it, or change [database] connection"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"another process kept it locked for {_busy_timeout(url):g} seconds: find it (fuser names it) and end it"
    return _REASONS.get(code)


def _busy_timeout(url: URL) -> float:
    return float(str(url.query.get("timeout", BUSY_TIMEOUT_S)))


def _code(error: Any) -> int:
    """The primary code of an error; 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_REASONS: dict[int, str] = {
    sqlite3.SQLITE_FULL: "there is no room left for it: make room on its file system",
    sqlite3.SQLITE_READONLY: "it is read-only: let the service's user write to the file and to its directory",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: let the service's user read and write it and its directory",
    sqlite3.SQLITE_PERM: "the file cannot be opened: let the service's user read and write it and its directory",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: name another one in [database] connection",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: put back a copy of it",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed: look at its disk and file system",
}
