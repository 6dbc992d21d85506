"""Following in process what tasks write: for host applications that want to know without asking."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from baremetal_sdk.store.records.node import NodeRecord

LOG = logging.getLogger(__name__)
Callback = Callable[[NodeRecord], object]


class ChangeListeners:
    """Tells everybody who asked of each node that a task has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: tuple[Callback, ...] = ()

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call *callback* with the node after each change, in the task's thread: it must be quick. The result ends it."""
        with self._lock:
            self._callbacks = (*self._callbacks, callback)

        def end() -> None:
            with self._lock:
                self._callbacks = tuple(one for one in self._callbacks if one is not callback)

        return end

    def notify(self, record: NodeRecord) -> None:
        """Tell of a change. What a callback raises is logged: it is not the task's fault."""
        for callback in self._callbacks:
            try:
                callback(record)
            except Exception:
                LOG.exception("a callback that follows changes failed")
