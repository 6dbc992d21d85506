"""Failures that a task could not write to its node, because the database was away. The recovery of the node writes them later."""

from __future__ import annotations

import threading

from baremetal_interfaces import BareMetalError
from baremetal_interfaces.text import clean_text

_MAX_FAILURES = 10_000


class UnwrittenFailures:
    """The last failure of each node that was not written, with the epoch of the lease under which it occurred. Thread-safe.

    Only the holder of the very next lease gets it: after any other lease it is out of date.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[int, str]] = {}

    def remember(self, node: str, epoch: int, text: str | None, error: BareMetalError) -> None:
        """Keep *text*, the failure of the work on *node*. None means that only the write failed, with *error*."""
        with self._lock:
            known = self._failures.pop(node, None)
            if text is None:
                # The failure of the work says more than that of a later write.
                text = known[1] if known and known[0] == epoch else f"the result could not be written: {error.message}"
            self._failures[node] = (epoch, clean_text(text))
            if len(self._failures) > _MAX_FAILURES:
                del self._failures[next(iter(self._failures))]

    def take(self, node: str, epoch: int) -> str | None:
        """Return and forget the failure of *node* under the lease before that with *epoch*, or None."""
        if node not in self._failures:
            return None
        with self._lock:
            kept_epoch, text = self._failures.pop(node, (None, None))
        return text if kept_epoch == epoch - 1 else None
