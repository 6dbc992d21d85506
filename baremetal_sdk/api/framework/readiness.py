"""Readiness of the store, in bounded time even if the store does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from baremetal_interfaces import BareMetalError
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.waiting import failing_fast

CHECK_TIMEOUT_S = 0.8
"""Seconds for a check of the store. Load balancers wait for an answer for a second or more."""


class StoreCheck:
    """Check of a store by a small read. At most one read runs at a time, on a separate thread. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Future[None] | None = None

    def run(self, store: Store) -> None:
        """Raise the error of a store that cannot be used, or ``StoreUnavailable`` if it does not answer in time.

        A store with a property ``problem`` that knows of an outage or of a full disk is not read.
        """
        problem: BareMetalError | None = getattr(store, "problem", None)
        if problem is not None:
            raise problem
        try:
            self._start(store.conductors).result(CHECK_TIMEOUT_S)
        except FutureTimeout:
            raise StoreUnavailable("the store does not answer; check the database", retry_after=5.0) from None

    def _start(self, read: Callable[[], object]) -> Future[None]:
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                threading.Thread(target=_complete, args=(self._running, read), name="store-check", daemon=True).start()
            return self._running


def _complete(future: Future[None], read: Callable[[], object]) -> None:
    try:
        with failing_fast():
            read()
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(None)
