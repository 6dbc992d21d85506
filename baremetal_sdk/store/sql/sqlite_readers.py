"""Connections to SQLite that only read: kept, because taking one from a pool costs more than the read itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

_PATIENCE = 60.0
"""Seconds that a thread stands in line. A read takes less than a millisecond: hundreds can."""


class SQLiteReaders:
    """At most *most* connections, each with one thread at a time. They begin no transaction: each statement sees what is."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._closed = False
        self._kept: SimpleQueue[Connection | None] = SimpleQueue()
        for _ in range(most):
            self._kept.put(None)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for statements that read; what it is asked has to be read to its end."""
        try:
            connection = self._kept.get(timeout=_PATIENCE)
        except Empty:
            raise PoolTimeout("all connections are in use") from None
        keep = False
        try:
            if connection is None:
                connection = self._engine.connect()
                connection.detach()
            yield connection
            keep = True
        finally:
            if connection is not None and (self._closed or not keep):
                connection.close()
                connection = None
            self._kept.put(connection)

    def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        self._closed = True
        for _ in range(self._most):
            try:
                connection = self._kept.get_nowait()
            except Empty:
                return
            if connection is not None:
                connection.close()
            self._kept.put(None)
