"""Factory for the store at a configured database URL, or in memory. It refuses databases that belong to another program."""

from __future__ import annotations

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.protocol import Store

_MIN_CONNECTIONS, _MAX_CONNECTIONS, _THREADS_PER_CONNECTION = 10, 60, 6


def connection_pool_size(threads: int) -> int:
    """Return the maximum number of connections to a database server for a process with this number of threads.

    The result is between 10 and 60, with six threads for each connection: threads mostly wait for machines.
    """
    return min(max(_MIN_CONNECTIONS, threads // _THREADS_PER_CONNECTION), _MAX_CONNECTIONS)


def open_store(
    url: str | None,
    *,
    clock: Clock | None = None,
    connections: int | None = None,
    events: bool = True,
    sqlite_synchronous: bool = True,
) -> Store:
    """Open and return the store at an SQLAlchemy URL, or a store in memory if *url* is None.

    *connections* is the maximum number of connections to a database server. Without *events*, an SQL store writes no events to
    its outbox; the store in memory always writes them. Without *sqlite_synchronous*, a power failure may lose the last changes
    of an SQLite file; changes are then faster.

    A missing SQLite file and missing tables are created. Raises ``ConfigurationError`` for an unusable URL and for the database
    of Ironic, and ``StoreUnavailable`` for an unusable database.
    """
    clock = clock or SystemClock()
    if url is None:
        return MemoryStore(clock)
    # Imported here, because a process with a store in memory needs no SQLAlchemy, whose import takes long.
    from baremetal_sdk.store.sql.contents import describe_database, read_contents
    from baremetal_sdk.store.sql.store import SQLStore

    contents = read_contents(url)
    if contents is not None and contents.is_ironic:
        raise ConfigurationError(
            f"[database] connection: {describe_database(url)} is the database of Ironic: it has the tables alembic_version and "
            "nodes; it was not changed; set the URL of a separate, empty database, and enroll the nodes through the API"
        )
    store = SQLStore(
        url,
        clock=clock,
        connections=connections or _MIN_CONNECTIONS,
        events=events,
        sqlite_synchronous=sqlite_synchronous,
    )
    store.open()
    return store


def open_existing_store(url: str | None, *, clock: Clock | None = None) -> Store:
    """Open and return the store of a service as :func:`open_store`, but create no file and no tables, and upgrade none.

    For commands beside a service: a wrong path must not give them an empty database. Raises ``ConfigurationError`` if the
    database does not exist, has no tables, or has tables of an older release.
    """
    if url is None:
        return open_store(None, clock=clock)
    from baremetal_sdk.store.sql.contents import describe_database, read_contents
    from baremetal_sdk.store.sql.schema import LAST_UNSEALED, REVISIONS

    contents, name = read_contents(url), describe_database(url)
    if contents is None:
        raise ConfigurationError(
            f"the database {name} does not exist, and this command creates none; "
            "give the state directory or the configuration file of the service"
        )
    if contents.revision is None and not contents.is_ironic:
        raise ConfigurationError(
            f"the database {name} has no tables of the service, and this command creates none; "
            "start the service first, or correct [database] connection"
        )
    if contents.revision in REVISIONS[: REVISIONS.index(LAST_UNSEALED)]:
        raise ConfigurationError(
            f"the database {name} has the older schema {contents.revision}, and this release needs {REVISIONS[-1]}; "
            "upgrade it first"
        )
    return open_store(url, clock=clock)
