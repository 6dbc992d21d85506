"""Connections and transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from baremetal_sdk.errors import ConfigurationError, StoreUnavailable
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.store.sql.failures import mask_password, translate_errors
from baremetal_sdk.store.sql.sqlite import READER_CONNECTIONS, WRITES_OPTION, sqlite_engine, use_write_ahead_log
from baremetal_sdk.store.sql.sqlite_readers import SQLiteReaders
from baremetal_sdk.store.sql.sqlite_statements import CompiledStatements
from baremetal_sdk.store.sql.sqlite_writer import SQLiteWriter

CONNECTIONS = 10
"""Connections to a database server, at most, where nobody says how many threads there are."""
_POOL_TIMEOUT = 60.0
_ISOLATION = "ISOLATION LEVEL READ COMMITTED"
"""Every condition of a write is in the write itself; what is stricter only locks more rows."""


class _Engines(NamedTuple):
    """What makes connections, for two uses."""

    reader: Engine | SQLiteReaders
    writer: Engine
    line: SQLiteWriter | None
    """Where those who write to SQLite stand in line."""

    def close(self) -> None:
        """Close connections that nobody uses; those in use are closed when they come back."""
        for kept in (self.line, self.reader):
            if isinstance(kept, SQLiteWriter | SQLiteReaders):
                kept.close()
        self.writer.dispose()


class Database:
    """A database that transactions are made in. What fails in it is told as ``StoreUnavailable``."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self.url = _parse_url(url)
        self._connections = connections
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engines: _Engines | None = None
        self.telemetry = Telemetry()
        """Those who hear of each use."""
        self._subscribers: tuple[Callable[[], object], ...] = ()
        self.compiled = CompiledStatements()
        """Runs the statements that are made once."""

    def __repr__(self) -> str:
        return f"Database({mask_password(self.url)!r})"

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._engines is not None

    @property
    def engine(self) -> Engine:
        """What makes connections that write. Raises ``StoreUnavailable`` while the database is closed."""
        return self._require_open().writer

    def open(self) -> None:
        """Connect. Raises ``ConfigurationError`` where the driver of this database is not installed."""
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
            self._engines = _Engines(SQLiteReaders(engine, READER_CONNECTIONS), writer, SQLiteWriter(engine))
        else:
            engine.connect().close()
            self._engines = _Engines(engine, writer, None)

    def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        engines, self._engines = self._engines, None
        if engines is not None:
            engines.close()

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback*, which has to be quick, after each transaction that wrote; the result ends that."""
        self._subscribers = (*self._subscribers, callback)

        def end() -> None:
            self._subscribers = tuple(one for one in self._subscribers if one is not callback)

        return end

    @property
    def connections(self) -> Mapping[str, int]:
        """How many connections are ``used`` and ``idle``; empty where that cannot be told."""
        if self._engines is None:
            return {}
        line, pool = self._engines.line, self._engines.writer.pool
        if line is not None:
            return {"used": int(line.is_used), "idle": int(not line.is_used)}
        return {"used": pool.checkedout(), "idle": pool.checkedin()} if isinstance(pool, QueuePool) else {}

    def _require_open(self) -> _Engines:
        if self._engines is None:
            raise StoreUnavailable("the store is not open")
        return self._engines

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for statements that read."""
        reader = self._require_open().reader
        with self.telemetry.begin(Work.TRANSACTION, {"kind": "read"}), translate_errors(self.url), reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at the end and rolled back by an exception."""
        engines = self._require_open()
        made = _transaction(engines.writer, self.url) if engines.line is None else engines.line.transaction()
        observed = self.telemetry.begin(Work.TRANSACTION, {"kind": "write"})
        with observed, translate_errors(self.url), made as connection:
            yield connection
        for callback in self._subscribers:
            callback()

    @contextmanager
    def altering(self) -> Iterator[Connection]:
        """A transaction of the toolkit's own, for what alters tables."""
        with translate_errors(self.url), _transaction(self._require_open().writer, self.url) as connection:
            yield connection


@contextmanager
def _transaction(writer: Engine, url: URL) -> Iterator[Connection]:
    with writer.connect() as connection, connection.begin() as transaction:
        yield connection
        with translate_errors(url, may_be_kept=True):
            transaction.commit()


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        # What was given is not repeated: it may hold a password.
        raise ConfigurationError(
            f"[database] connection: it is no database URL ({type(exc).__name__}); "
            "allowed is, for example, sqlite:////var/lib/metald/nodes.db"
        ) from None
    return parsed


def _server_engine(url: URL, connections: int) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT,
            pool_use_lifo=True,
            # Not tried out before its use: what finds a connection lost is made again. And each transaction ends itself.
            pool_pre_ping=False,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
    except ModuleNotFoundError as exc:
        raise ConfigurationError(f"[database] connection: the driver {exc.name} of {url.drivername} is not installed") from exc
    event.listen(engine, "connect", lambda connection, _record: _prepare(engine, connection))
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(engine: Engine, connection: Any) -> None:
    """A read is one statement, and goes without a transaction around it, and what that says to the server."""
    engine.dialect.set_isolation_level(connection, "AUTOCOMMIT")
    if engine.dialect.name != "postgresql":
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET SESSION TRANSACTION {_ISOLATION}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES_OPTION):
        connection.exec_driver_sql(f"BEGIN {_ISOLATION}" if connection.dialect.name == "postgresql" else "BEGIN")
