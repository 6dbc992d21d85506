"""Factory for the store at a configured database URL, or in memory."""

from __future__ import annotations

from baremetal_sdk.clock import Clock, SystemClock
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

    Raises ``ConfigurationError`` for an unusable URL and ``StoreUnavailable`` for an unusable database.
    """
    clock = clock or SystemClock()
    if url is None:
        return MemoryStore(clock)
    # Imported here, because a process with a store in memory needs no SQLAlchemy, whose import takes long.
    from baremetal_sdk.store.sql.store import SQLStore

    store = SQLStore(
        url,
        clock=clock,
        connections=connections or _MIN_CONNECTIONS,
        events=events,
        sqlite_synchronous=sqlite_synchronous,
    )
    store.open()
    return store
