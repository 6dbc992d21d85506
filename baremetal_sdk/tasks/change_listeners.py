"""Callbacks of the host application that run in this process after tasks of this conductor change nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from baremetal_sdk.concurrency.failures import log_failure
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.node import NodeRecord

LOG = get_logger(__name__)
ChangeCallback = Callable[[NodeRecord], object]


class ChangeListeners:
    """Registry of callbacks that are called with each node that a task of this process has changed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced and never modified, so that notify() can iterate without the lock.
        self._callbacks: tuple[ChangeCallback, ...] = ()

    def subscribe(self, callback: ChangeCallback) -> Callable[[], None]:
        """Register *callback*, to be called with the node's new record after each update by a task, but not after a deletion.

        The callback runs in the thread of the task, so it has to be quick. Return a function that ends the subscription.
        """
        with self._lock:
            self._callbacks = (*self._callbacks, callback)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks = tuple(other for other in self._callbacks if other is not callback)

        return unsubscribe

    def notify(self, record: NodeRecord) -> None:
        """Call all callbacks with the node *record*. Their exceptions are logged and not raised, so the task continues."""
        for callback in self._callbacks:
            try:
                callback(record)
            except Exception as exc:
                log_failure(LOG, exc, "a listener for changes of nodes failed")
