"""Creation of the store that a configuration names."""

from __future__ import annotations

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.protocol import Store

_MIN_CONNECTIONS, _MAX_CONNECTIONS, _THREADS_PER_CONNECTION = 10, 60, 6


def connection_pool_size(threads: int) -> int:
    """Return the number of connections to a database server for a number of threads.

    Several threads share a connection, because threads mostly wait for machines and not for the database.
    """
    return min(max(_MIN_CONNECTIONS, threads // _THREADS_PER_CONNECTION), _MAX_CONNECTIONS)


def open_store(url: str | None, *, clock: Clock | None = None, connections: int | None = None, events: bool = True) -> Store:
    """Open and return the store at an SQLAlchemy URL, or a store in memory if *url* is None.

    *connections* limits the connections to a database server. *events* enables the outbox; the store in memory always
    has one.

    Raises ``ConfigurationError`` for an unusable URL and ``StoreUnavailable`` for an unusable database.
    """
    clock = clock or SystemClock()
    if url is None:
        return MemoryStore(clock)
    # Imported here, because a process with a store in memory needs no SQLAlchemy, whose import takes long.
    from baremetal_sdk.store.sql.store import SQLStore

    store = SQLStore(url, clock=clock, connections=connections or _MIN_CONNECTIONS, events=events)
    store.open()
    return store
