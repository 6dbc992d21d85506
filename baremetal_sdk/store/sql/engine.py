"""Connections and transactions of the SQL store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from baremetal_sdk.errors import ConfigurationError, StoreUnavailable
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.store.sql.failures import flush_error, mask_password, translate_errors
from baremetal_sdk.store.sql.sqlite import READER_CONNECTIONS, WRITES_OPTION, sqlite_engine, use_write_ahead_log
from baremetal_sdk.store.sql.sqlite_readers import SQLiteReaders
from baremetal_sdk.store.sql.sqlite_statements import CompiledStatements
from baremetal_sdk.store.sql.sqlite_writer import SQLiteWriter

DEFAULT_CONNECTIONS = 10
"""Default of the maximum number of connections to a database server."""
_POOL_TIMEOUT_S = 60.0
_ISOLATION = "ISOLATION LEVEL READ COMMITTED"
"""Each write checks its conditions in its own WHERE clause, so a stricter level would only lock more rows."""


class _Engines(NamedTuple):
    """Sources of the reading and writing connections of an open database."""

    reader: Engine | SQLiteReaders
    writer: Engine
    sqlite_writer: SQLiteWriter | None
    """Runs the writing transactions on SQLite; None on a database server."""

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        for source in (self.sqlite_writer, self.reader):
            if isinstance(source, SQLiteWriter | SQLiteReaders):
                source.close()
        self.writer.dispose()


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
        self._engines: _Engines | None = None
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
        return self._engines is not None

    @property
    def engine(self) -> Engine:
        """Engine for writing connections. Raises ``StoreUnavailable`` while the database is closed."""
        return self._require_open().writer

    def open(self) -> None:
        """Connect to the database. Raises ``ConfigurationError`` if its Python driver is not installed."""
        with translate_errors(self.url):
            engine = sqlite_engine(self.url) if self.is_sqlite else _server_engine(self.url, self._connections)
            try:
                self._connect(engine)
            except BaseException:
                engine.dispose()
                raise

    def _connect(self, engine: Engine) -> None:
        writer = engine.execution_options(**{WRITES_OPTION: True})
        if self.is_sqlite:
            use_write_ahead_log(engine)
            sqlite_writer = SQLiteWriter(engine, synchronous=self._sqlite_synchronous)
            self._engines = _Engines(SQLiteReaders(engine, READER_CONNECTIONS), writer, sqlite_writer)
        else:
            engine.connect().close()
            self._engines = _Engines(engine, writer, None)

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        engines, self._engines = self._engines, None
        if engines is not None:
            engines.close()

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
        if self._engines is None:
            return {}
        sqlite_writer, pool = self._engines.sqlite_writer, self._engines.writer.pool
        if sqlite_writer is not None:
            return {"used": int(sqlite_writer.is_used), "idle": int(not sqlite_writer.is_used)}
        if isinstance(pool, QueuePool):
            return {"used": pool.checkedout(), "idle": pool.checkedin()}
        return {}

    def _require_open(self) -> _Engines:
        if self._engines is None:
            raise StoreUnavailable("the store is not open; call open() first")
        return self._engines

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Context with a connection for statements that read. Each statement sees the commits before it."""
        reader = self._require_open().reader
        with self.telemetry.begin(Work.TRANSACTION, {"kind": "read"}), translate_errors(self.url), reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Context with the connection of a writing transaction.

        It is committed at the end of the block, and rolled back after an exception. The subscribers are called after the commit,
        once it is on the disk.
        """
        engines = self._require_open()
        if engines.sqlite_writer is None:
            transaction = _transaction(engines.writer, self.url)
        else:
            transaction = engines.sqlite_writer.transaction()
        observation = self.telemetry.begin(Work.TRANSACTION, {"kind": "write"})
        with observation, translate_errors(self.url):
            with transaction as connection:
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
        sqlite_writer = self._require_open().sqlite_writer
        if sqlite_writer is None:
            return
        with translate_errors(self.url):
            try:
                sqlite_writer.flush()
            except OSError as exc:
                raise flush_error(self.url, exc) from exc

    @contextmanager
    def altering(self) -> Iterator[Connection]:
        """Context with a writing transaction of SQLAlchemy itself, which Alembic needs to alter tables."""
        with translate_errors(self.url), _transaction(self._require_open().writer, self.url) as connection:
            yield connection


@contextmanager
def _transaction(writer: Engine, url: URL) -> Iterator[Connection]:
    with writer.connect() as connection, connection.begin() as transaction:
        yield connection
        # If the connection is lost here, the outcome is unknown, and a retry could write twice.
        with translate_errors(url, may_be_committed=True):
            transaction.commit()


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


def _server_engine(url: URL, connections: int) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_S,
            pool_use_lifo=True,
            # No ping before use, which would cost a round trip: ``retry_on_conflict`` repeats a transaction that finds its
            # connection lost.
            pool_pre_ping=False,
            # No rollback on return: reads run in autocommit mode, and each writing transaction ends itself.
            pool_reset_on_return=None,
            hide_parameters=True,
        )
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"[database] connection: the driver {exc.name} of {url.drivername} is not installed; install it"
        ) from exc
    event.listen(engine, "connect", lambda connection, _record: _prepare(engine, connection))
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(engine: Engine, connection: Any) -> None:
    # A read is one statement. Autocommit saves the round trips of BEGIN and COMMIT around it.
    engine.dialect.set_isolation_level(connection, "AUTOCOMMIT")
    if engine.dialect.name != "postgresql":
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET SESSION TRANSACTION {_ISOLATION}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES_OPTION):
        connection.exec_driver_sql(f"BEGIN {_ISOLATION}" if connection.dialect.name == "postgresql" else "BEGIN")
