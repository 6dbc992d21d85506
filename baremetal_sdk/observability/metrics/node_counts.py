"""How many nodes there are in each state, looked up at a scrape and remembered for a moment."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from baremetal_interfaces import BareMetalError
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import NODES
from baremetal_sdk.states import STATES

LOG = logging.getLogger(__name__)
_FRESH = 15.0
"""Seconds for which a count is good: more scrapes cost the database no more."""
_OTHER = "other"


class NodeCounts:
    """Counts nodes by *count*, which gives provision states with their numbers."""

    def __init__(self, count: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._known: Counter[str] = Counter()
        self._until = 0.0

    def readings(self) -> Iterable[Reading]:
        """What a scrape shows; nothing where the store cannot be asked."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._known = self._counted()
                except BareMetalError as exc:
                    LOG.info("nodes cannot be counted now: %s", exc)
                    return
                self._until = time.monotonic() + _FRESH
            known = dict(self._known)
        for state, count in known.items():
            yield NODES, (state,), count

    def _counted(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for state, count in self._count():
            counted[state if state in STATES else _OTHER] += count
        return counted
