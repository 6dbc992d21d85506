"""Connections to a database server, and the detection of a server that does not answer."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.sql.availability import Availability, DiskSpace
from baremetal_sdk.store.sql.failures import WORK_WAIT_S, mask_password, translate_errors
from baremetal_sdk.store.sql.sqlite import WRITES_OPTION
from baremetal_sdk.store.waiting import REQUEST_WAIT_S, is_failing_fast

LOG = get_logger(__name__)
_POOL_TIMEOUT_S = 60.0
_POOL_CHECK_INTERVAL_S = 0.25
_CONNECT_TIMEOUT_S = 2
"""Seconds for a new connection, which is the minimum of libpq. A server that takes longer counts as away."""
_WATCH_INTERVAL_S = 0.2
_SLOW_S = 0.3
"""Seconds after which a transaction is slow. The server is then asked whether it still answers."""
_ANSWER_TIMEOUT_S = 1.0
"""Seconds for the answer of a server with a slow transaction. Without an answer, the server counts as away."""
_ANSWER_LIFETIME_S = 1.0
_FULL_S = 10.0
"""Seconds for which the disk of a server counts as full after a refused write."""
_ISOLATION = "ISOLATION LEVEL READ COMMITTED"
"""Each write checks its conditions in its own WHERE clause, so a stricter level would only lock more rows."""
_LIBPQ_OPTIONS = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""Let the kernel close the connection to a server from which no packet arrives for about 10 seconds."""
_CONNECT_OPTIONS: dict[str, dict[str, Any]] = {
    "psycopg": _LIBPQ_OPTIONS,
    "psycopg2": _LIBPQ_OPTIONS,
    # Without a read timeout, PyMySQL waits for ever for the greeting of the server.
    "pymysql": {"connect_timeout": _CONNECT_TIMEOUT_S, "read_timeout": _CONNECT_TIMEOUT_S},
    "mysqldb": {"connect_timeout": _CONNECT_TIMEOUT_S},
}


class _Use(NamedTuple):
    """A transaction that uses a connection of the driver."""

    connection: Any
    began: float
    fail_fast: bool
    """True for a transaction of a request, False for one of work."""

    def is_overdue(self, now: float, away_since: float) -> bool:
        """Return whether the transaction has waited for long enough for a server that is away since *away_since*."""
        if self.fail_fast:
            return now - self.began > REQUEST_WAIT_S
        # Measured from the loss of the server: a long transaction must not end because one answer was late.
        return now - max(self.began, away_since) > WORK_WAIT_S


class ServerConnections:
    """The connections to a database server, at most *limit*. Thread-safe.

    libpq and the protocol of MariaDB wait for an answer for ever if the server is frozen or its packets are dropped. So a
    thread watches the transactions. If one is slow, it connects to the server again. Without an answer the server counts as
    away, and a transaction that has waited for as long as its caller may wait is broken off. A slow transaction on a server
    that answers is left alone.
    """

    def __init__(self, url: URL, limit: int) -> None:
        self._limit = limit
        self.engine = _create_engine(url, limit)
        self.writer: Engine = self.engine.execution_options(**{WRITES_OPTION: True})
        label = f"the database {mask_password(url)}"
        self.reads = self.writes = self.availability = Availability(label, self._probe, work_wait_s=WORK_WAIT_S)
        # The free space of a server is not visible. It counts as full for a while after each refused write.
        self.space = DiskSpace(label, lambda: None, interval_s=_FULL_S)
        self._slots = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._uses: dict[object, _Use] = {}
        self._answered_at = 0.0
        self._closed = threading.Event()

    def open(self) -> None:
        """Connect once, so that an unusable server is found at the start, and begin to watch."""
        self.engine.connect().close()
        threading.Thread(target=self._watch, name="store-watch", daemon=True).start()

    def close(self) -> None:
        """Close idle connections. Connections in use are closed when they are returned."""
        self._closed.set()
        self.availability.close()
        self.space.close()
        self.engine.dispose()

    def flush(self) -> None:
        """Do nothing: the server has flushed each transaction at its commit."""

    def count(self) -> Mapping[str, int]:
        """Return the numbers of ``used`` and ``idle`` connections."""
        pool = self.engine.pool
        return {"used": pool.checkedout(), "idle": pool.checkedin()} if isinstance(pool, QueuePool) else {}

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a context with a connection for statements that read."""
        return self._connect(self.engine)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Context with the connection of a writing transaction, which is committed at the end of the block."""
        with self._connect(self.writer) as connection, connection.begin() as transaction:
            yield connection
            # If the connection is lost here, the outcome is unknown, and a retry could write twice.
            with translate_errors(self.engine.url, self.writes, self.space, may_be_committed=True):
                transaction.commit()

    @contextmanager
    def _connect(self, engine: Engine) -> Iterator[Connection]:
        """Context with a connection of *engine*, which shares the pool.

        Raises ``ConnectionLost`` if the server is away, and SQLAlchemy's ``TimeoutError`` if no connection is free for 60
        seconds.
        """
        self.availability.check()
        self._take_slot()
        try:
            with engine.connect() as connection:
                key = object()
                self._uses[key] = _Use(connection.connection.dbapi_connection, time.monotonic(), is_failing_fast())
                try:
                    yield connection
                finally:
                    # Under the lock: a connection that is returned must not be broken off.
                    with self._lock:
                        del self._uses[key]
        finally:
            self._slots.release()

    def _take_slot(self) -> None:
        """Wait for a free connection. The pool itself cannot end the wait when the server goes away."""
        if self._slots.acquire(blocking=False):
            return
        deadline = time.monotonic() + _POOL_TIMEOUT_S
        while not self._slots.acquire(timeout=_POOL_CHECK_INTERVAL_S):
            self.availability.check()
            if time.monotonic() > deadline:
                raise PoolTimeout("all connections to the database server are in use")

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_INTERVAL_S):
            try:
                self._check_uses()
            except Exception:
                LOG.exception("the check of the transactions failed")

    def _check_uses(self) -> None:
        """Probe the server if a transaction is slow, and break off the transactions that have waited for long enough."""
        now, uses = time.monotonic(), list(self._uses.items())
        if not any(now - use.began > _SLOW_S for _, use in uses):
            return
        if self.availability.away_since is None:
            if now - self._answered_at < _ANSWER_LIFETIME_S:
                return
            if self._answers():
                self._answered_at = time.monotonic()
                return
            reason = "the server does not answer; check that it runs, and the network between"
            self.availability.report(f"the database {mask_password(self.engine.url)} cannot be used: {reason}", is_away=True)
        away_since = self.availability.away_since
        if away_since is None:
            return
        now = time.monotonic()
        for key, use in uses:
            if use.is_overdue(now, away_since):
                self._break_off(key)

    def _answers(self) -> bool:
        """Return whether the server accepts a new connection within a second, or refuses it."""
        done = threading.Event()

        def ask() -> None:
            try:
                self._probe()
            except Exception as exc:
                LOG.debug("the database server refuses a connection: %s", type(exc).__name__)
                # A server that is silent lets the connection time out. Any other refusal is an answer.
            done.set()

        threading.Thread(target=ask, name="store-probe", daemon=True).start()
        return done.wait(_ANSWER_TIMEOUT_S)

    def _break_off(self, key: object) -> None:
        """Shut down the socket of a transaction, so that its thread gets an error. Do nothing if it has ended."""
        with self._lock:
            use = self._uses.get(key)
            descriptor = None if use is None else _find_descriptor(use.connection)
            if descriptor is None:
                return
            # A duplicate: closing the socket object must not close the driver's descriptor.
            with socket.socket(fileno=os.dup(descriptor)) as connected:
                connected.shutdown(socket.SHUT_RDWR)

    def _probe(self) -> None:
        """Open and close a connection beside the pool. Its login is a complete round trip to the server."""
        arguments, options = self.engine.dialect.create_connect_args(self.engine.url)
        options = {**_connect_options(self.engine.url), **options}
        self.engine.dialect.connect(*arguments, **options).close()


def _create_engine(url: URL, connections: int) -> Engine:
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
            connect_args=_connect_options(url),
        )
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"[database] connection: the driver {exc.name} of {url.drivername} is not installed; install it"
        ) from exc
    event.listen(engine, "connect", lambda connection, _record: _prepare(engine, connection))
    event.listen(engine, "begin", _begin)
    return engine


def _connect_options(url: URL) -> dict[str, Any]:
    """Return the time limits for new connections, without those that the URL sets."""
    options = _CONNECT_OPTIONS.get(url.get_driver_name(), {})
    return {name: value for name, value in options.items() if name not in url.query}


def _prepare(engine: Engine, connection: Any) -> None:
    # The time limit is for the login. A statement may take longer, for example an upgrade of the tables.
    if hasattr(connection, "_read_timeout") and "read_timeout" not in engine.url.query:
        connection._read_timeout = None
    # A read is one statement. Autocommit saves the round trips of BEGIN and COMMIT around it.
    engine.dialect.set_isolation_level(connection, "AUTOCOMMIT")
    if engine.dialect.name != "postgresql":
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET SESSION TRANSACTION {_ISOLATION}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES_OPTION):
        connection.exec_driver_sql(f"BEGIN {_ISOLATION}" if connection.dialect.name == "postgresql" else "BEGIN")


def _find_descriptor(connection: Any) -> int | None:
    """Return the descriptor of the socket of a driver's connection, or None if it is closed or unknown."""
    # PyMySQL keeps its socket in a private attribute.
    source = connection if hasattr(connection, "fileno") else getattr(connection, "_sock", None)
    try:
        return None if source is None else int(source.fileno())
    except Exception:
        # The driver has closed the connection meanwhile.
        return None
