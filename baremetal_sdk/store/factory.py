"""Which store a configuration asks for."""

from __future__ import annotations

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.store.memory import MemoryStore
from baremetal_sdk.store.protocol import Store


def open_store(url: str | None, *, clock: Clock | None = None) -> Store:
    """Open the store at an SQLAlchemy URL, or one in memory where there is none.

    Raises ``ConfigurationError`` for a URL that cannot be used, and ``StoreUnavailable`` when the database cannot.
    """
    clock = clock or SystemClock()
    if url is None:
        return MemoryStore(clock)
    # Whoever keeps nodes in memory does not wait for the import of a database toolkit.
    from baremetal_sdk.store.sql import SQLStore

    store = SQLStore(url, clock=clock)
    store.open()
    return store
