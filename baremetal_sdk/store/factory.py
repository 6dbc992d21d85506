"""Which store a configuration asks for."""

from __future__ import annotations

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.protocol import Store

_FEWEST, _MOST, _THREADS_PER_CONNECTION = 10, 60, 6


def connection_pool_size(threads: int) -> int:
    """Connections to a database server for so many threads, which mostly wait for machines and not for the database."""
    return min(max(_FEWEST, threads // _THREADS_PER_CONNECTION), _MOST)


def open_store(url: str | None, *, clock: Clock | None = None, connections: int | None = None, events: bool = True) -> Store:
    """Open the store at an SQLAlchemy URL, or one in memory where there is none, with so many *connections* at most.

    With *events* what happens to nodes is kept for those who follow it.

    Raises ``ConfigurationError`` for a URL that cannot be used, and ``StoreUnavailable`` when the database cannot.
    """
    clock = clock or SystemClock()
    if url is None:
        return MemoryStore(clock)
    # Whoever keeps nodes in memory does not wait for the import of a database toolkit.
    from baremetal_sdk.store.sql.store import SQLStore

    store = SQLStore(url, clock=clock, connections=connections or _FEWEST, events=events)
    store.open()
    return store
