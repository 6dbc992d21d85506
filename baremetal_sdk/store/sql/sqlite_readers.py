"""Pool of reading connections to SQLite. They remain open: a checkout from SQLAlchemy's pool costs more than a read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from baremetal_sdk.store.sql.availability import Availability
from baremetal_sdk.store.sql.sqlite import limit_lock_wait

_CHECK_INTERVAL_S = 0.25
_CHECKOUT_TIMEOUT_S = 60.0
"""Maximum number of seconds that a thread waits for a connection. Most reads take less than a millisecond."""


class SQLiteReaders:
    """Pool of *size* connections that only read.

    Each connection serves one thread at a time. The connections begin no transaction, so each statement sees all
    commits before it.
    """

    def __init__(self, engine: Engine, size: int, availability: Availability) -> None:
        self._engine = engine
        self._availability = availability
        self._size = size
        self._closed = False
        # None stands for a connection that is not open yet.
        self._idle: SimpleQueue[Connection | None] = SimpleQueue()
        for _ in range(size):
            self._idle.put(None)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Context with a connection for statements that read. The block must fetch all rows of its results.

        Raises SQLAlchemy's ``TimeoutError`` if all connections remain in use for 60 seconds, and ``ConnectionLost`` while
        another process is known to lock the file against readers.
        """
        connection = self._take()
        reusable = False
        try:
            if connection is None:
                connection = self._engine.connect()
                connection.detach()
                limit_lock_wait(connection)
            yield connection
            reusable = True
        finally:
            # After an exception the connection may have an open cursor, which would keep an old view of the database.
            if connection is not None and (self._closed or not reusable):
                connection.close()
                connection = None
            self._idle.put(connection)

    def _take(self) -> Connection | None:
        self._availability.check()
        deadline = time.monotonic() + _CHECKOUT_TIMEOUT_S
        while True:
            try:
                return self._idle.get(timeout=_CHECK_INTERVAL_S)
            except Empty:
                self._availability.check()
                if time.monotonic() > deadline:
                    raise PoolTimeout("all reading connections to the SQLite database are in use") from None

    def close(self) -> None:
        """Close the idle connections. A connection in use is closed when its thread returns it."""
        self._closed = True
        for _ in range(self._size):
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return
            if connection is not None:
                connection.close()
            self._idle.put(None)
