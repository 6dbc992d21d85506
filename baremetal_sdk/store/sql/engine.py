"""Connections and transactions of the SQL store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from baremetal_sdk.errors import ConfigurationError, StoreUnavailable
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.store.sql.availability import Availability, DiskSpace
from baremetal_sdk.store.sql.failures import flush_error, mask_password, translate_errors
from baremetal_sdk.store.sql.server import ServerConnections
from baremetal_sdk.store.sql.sqlite_connections import SQLiteConnections
from baremetal_sdk.store.sql.sqlite_statements import CompiledStatements

DEFAULT_CONNECTIONS = 10
"""Default of the maximum number of connections to a database server."""


class _Connections(Protocol):
    """Protocol of the connections of an open database, for transactions that read and that write."""

    writer: Engine
    reads: Availability
    writes: Availability
    space: DiskSpace

    def open(self) -> None:
        """Connect to the database."""

    def close(self) -> None:
        """Close idle connections."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a context with a connection for statements that read."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Return a context with the connection of a writing transaction."""

    def flush(self) -> None:
        """Return after all transactions that have ended are on the disk."""

    def count(self) -> Mapping[str, int]:
        """Return the numbers of ``used`` and ``idle`` connections for writes."""


class Database:
    """The database of an SQL store, with its connections and transactions. Thread-safe.

    *connections* is the maximum number of connections to a database server. Errors of the database are raised as
    ``StoreUnavailable``. With *sqlite_synchronous*, a transaction in an SQLite file survives a power failure.
    """

    def __init__(self, url: str, *, connections: int = DEFAULT_CONNECTIONS, sqlite_synchronous: bool = True) -> None:
        self.url = _parse_url(url)
        self._connections = connections
        self._sqlite_synchronous = sqlite_synchronous
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._open_connections: _Connections | None = None
        self.telemetry = Telemetry()
        """Telemetry that observes each transaction."""
        self._subscribers: tuple[Callable[[], object], ...] = ()
        self.compiled = CompiledStatements()
        """Executor of statements that are built once and reused."""

    def __repr__(self) -> str:
        return f"Database({mask_password(self.url)!r})"

    @property
    def is_open(self) -> bool:
        """True while the database is connected."""
        return self._open_connections is not None

    @property
    def engine(self) -> Engine:
        """Engine for writing connections. Raises ``StoreUnavailable`` while the database is closed."""
        return self._require_open().writer

    @property
    def problem(self) -> StoreUnavailable | None:
        """The error of a database that is known to be away or full, or None. The answer is immediate."""
        connections = self._open_connections
        if connections is None:
            return _not_open_error()
        return connections.reads.error or connections.writes.error or connections.space.error

    def open(self) -> None:
        """Connect to the database. Raises ``ConfigurationError`` if its Python driver is not installed."""
        connections: _Connections
        if self.is_sqlite:
            connections = SQLiteConnections(self.url, synchronous=self._sqlite_synchronous)
        else:
            connections = ServerConnections(self.url, self._connections)
        try:
            with translate_errors(self.url):
                connections.open()
        except BaseException:
            connections.close()
            raise
        self._open_connections = connections

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        connections, self._open_connections = self._open_connections, None
        if connections is not None:
            connections.close()

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register *callback*, to be called after the commit of each writing transaction, in the thread that wrote.

        It has to be quick. Return a function that ends the subscription.
        """
        self._subscribers = (*self._subscribers, callback)

        def end() -> None:
            self._subscribers = tuple(subscriber for subscriber in self._subscribers if subscriber is not callback)

        return end

    @property
    def connections(self) -> Mapping[str, int]:
        """Numbers of ``used`` and ``idle`` connections for writes; empty if the database is closed."""
        return {} if self._open_connections is None else self._open_connections.count()

    def _require_open(self) -> _Connections:
        if self._open_connections is None:
            raise _not_open_error()
        return self._open_connections

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Context with a connection for statements that read. Each statement sees the commits before it."""
        connections = self._require_open()
        observation = self.telemetry.begin(Work.TRANSACTION, {"kind": "read"})
        with observation, translate_errors(self.url, connections.reads), connections.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Context with the connection of a writing transaction.

        It is committed at the end of the block, and rolled back after an exception. The subscribers are called after the commit,
        once it is on the disk.
        """
        connections = self._require_open()
        observation = self.telemetry.begin(Work.TRANSACTION, {"kind": "write"})
        with observation:
            with translate_errors(self.url, connections.writes, connections.space), connections.writing() as connection:
                yield connection
            # After the end of the transaction, so that other threads write during the flush.
            self.flush()
        # Only after the commit: a subscriber that reads at once must find what was written.
        for callback in self._subscribers:
            callback()

    def flush(self) -> None:
        """Return after all transactions of this process that have ended are on the disk.

        Only SQLite needs it. Raises ``StoreUnavailable`` if the disk fails; the transactions may be lost then.
        """
        connections = self._require_open()
        # The transactions are committed, so an error must not make the store repeat them.
        with translate_errors(self.url, connections.writes, connections.space, may_be_committed=True):
            try:
                connections.flush()
            except OSError as exc:
                raise flush_error(self.url, exc) from exc

    @contextmanager
    def altering(self) -> Iterator[Connection]:
        """Context with a writing transaction of SQLAlchemy itself, which Alembic needs to alter tables."""
        with translate_errors(self.url), self._require_open().writer.begin() as connection:
            yield connection


def _not_open_error() -> StoreUnavailable:
    return StoreUnavailable("the store is not open; call open() first")


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        # The message does not quote the URL, because it may contain a password.
        raise ConfigurationError(
            f"[database] connection: not a database URL ({type(exc).__name__}); "
            "allowed is, for example, sqlite:////var/lib/metald/nodes.db"
        ) from None
    return url
