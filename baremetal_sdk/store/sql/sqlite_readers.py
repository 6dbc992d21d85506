"""Pool of reading connections to SQLite. They remain open: a checkout from SQLAlchemy's pool costs more than a read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

_CHECKOUT_TIMEOUT_S = 60.0
"""Maximum number of seconds that a thread waits for a connection. Most reads take less than a millisecond."""


class SQLiteReaders:
    """Pool of *size* connections that only read.

    Each connection serves one thread at a time. The connections begin no transaction, so each statement sees all
    commits before it.
    """

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self._size = size
        self._closed = False
        # None stands for a connection that is not open yet.
        self._idle: SimpleQueue[Connection | None] = SimpleQueue()
        for _ in range(size):
            self._idle.put(None)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Context with a connection for statements that read. The block must fetch all rows of its results.

        Raises SQLAlchemy's ``TimeoutError`` if all connections remain in use for 60 seconds.
        """
        try:
            connection = self._idle.get(timeout=_CHECKOUT_TIMEOUT_S)
        except Empty:
            raise PoolTimeout("all reading connections to the SQLite database are in use") from None
        reusable = False
        try:
            if connection is None:
                connection = self._engine.connect()
                connection.detach()
            yield connection
            reusable = True
        finally:
            # After an exception the connection may have an open cursor, which would keep an old view of the database.
            if connection is not None and (self._closed or not reusable):
                connection.close()
                connection = None
            self._idle.put(connection)

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
