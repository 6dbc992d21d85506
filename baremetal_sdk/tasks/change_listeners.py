"""Notification of host applications about changes of nodes, within the process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from baremetal_sdk.store.records.node import NodeRecord

LOG = logging.getLogger(__name__)
ChangeCallback = Callable[[NodeRecord], object]


class ChangeListeners:
    """Calls its subscribers with each node that a task has changed. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced and never modified, so that notify() can iterate without the lock.
        self._callbacks: tuple[ChangeCallback, ...] = ()

    def subscribe(self, callback: ChangeCallback) -> Callable[[], None]:
        """Call *callback* with the node after each change. Return a function that ends the subscription.

        The callback runs in the thread of the task, so it has to be quick.
        """
        with self._lock:
            self._callbacks = (*self._callbacks, callback)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks = tuple(other for other in self._callbacks if other is not callback)

        return unsubscribe

    def notify(self, record: NodeRecord) -> None:
        """Call all subscribers. Their exceptions are logged, because the task is not at fault."""
        for callback in self._callbacks:
            try:
                callback(record)
            except Exception:
                LOG.exception("a listener for changes of nodes failed")
