"""The connections of a process to an SQLite file, and the probes of a file that is locked or whose disk is full."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine

from baremetal_sdk.store.sql.availability import Availability, DiskSpace
from baremetal_sdk.store.sql.failures import mask_password
from baremetal_sdk.store.sql.sqlite import (
    LOCK_WAIT_S,
    READER_CONNECTIONS,
    WRITES_OPTION,
    busy_timeout,
    sqlite_engine,
    use_write_ahead_log,
)
from baremetal_sdk.store.sql.sqlite_readers import SQLiteReaders
from baremetal_sdk.store.sql.sqlite_writer import SQLiteWriter

_PROBE_BYTES = 1024 * 1024
"""Free space in bytes with which a full disk counts as usable again."""


class SQLiteConnections:
    """The readers and the writer of an SQLite file. Thread-safe.

    A process that locks the file makes it away for writes, or for reads too. With *synchronous*, a transaction survives a
    power failure.
    """

    def __init__(self, url: URL, *, synchronous: bool) -> None:
        self._url = url
        self._engine = sqlite_engine(url)
        self.writer: Engine = self._engine.execution_options(**{WRITES_OPTION: True})
        label, wait_s = f"the database {mask_password(url)}", busy_timeout(url)
        self.reads = Availability(label, lambda: self._probe("SELECT count(*) FROM sqlite_master"), work_wait_s=wait_s)
        self.writes = Availability(f"{label} for writes", lambda: self._probe("BEGIN IMMEDIATE"), work_wait_s=wait_s)
        self.space = DiskSpace(label, self._probe_space)
        self._readers = SQLiteReaders(self._engine, READER_CONNECTIONS, self.reads)
        self._writer = SQLiteWriter(self._engine, self.writes, synchronous=synchronous)

    def open(self) -> None:
        """Switch the file to write-ahead logging."""
        use_write_ahead_log(self._engine)

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        for part in (self.reads, self.writes, self.space, self._writer, self._readers):
            part.close()
        self._engine.dispose()

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a context with a connection for statements that read."""
        return self._readers.connect()

    def writing(self) -> AbstractContextManager[Connection]:
        """Return a context with the connection of a writing transaction, which is committed at the end of the block."""
        return self._writer.transaction()

    def flush(self) -> None:
        """Return after all transactions that have ended are on the disk. Raises ``OSError`` if the disk fails."""
        self._writer.flush()

    def count(self) -> Mapping[str, int]:
        """Return the numbers of ``used`` and ``idle`` connections for writes."""
        return {"used": int(self._writer.is_used), "idle": int(not self._writer.is_used)}

    def _probe(self, statement: str) -> None:
        """Execute *statement* on a new connection, which is closed and so rolled back."""
        arguments, options = self._engine.dialect.create_connect_args(self._url)
        options = {**options, "timeout": LOCK_WAIT_S, "isolation_level": None}
        with closing(self._engine.dialect.connect(*arguments, **options)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)

    def _probe_space(self) -> None:
        """Write to a nameless file in the directory of the database. This also finds quotas and read-only file systems."""
        directory = Path((self._url.database or "").removeprefix("file:")).parent
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
