"""Metric for the number of nodes in each provision state. The counts are read at a scrape and cached."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from baremetal_interfaces import BareMetalError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import NODES
from baremetal_sdk.states import STATES

LOG = get_logger(__name__)
_CACHE_LIFETIME_S = 15.0
"""Seconds for which a count is reused, so that frequent scrapes do not load the database."""
_OTHER_STATE = "other"


class NodeCounts:
    """Cached node counts. *count* returns pairs of a provision state and the number of its nodes. Thread-safe."""

    def __init__(self, count: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._expires_at = 0.0
        self._is_counting = False

    def readings(self) -> Iterable[Reading]:
        """Generate the number of nodes in each provision state, up to 15 seconds old. Generate nothing if the store fails."""
        # One scrape counts. Others meanwhile get the former counts: they do not wait for a store that hangs.
        with self._lock:
            is_due = time.monotonic() >= self._expires_at and not self._is_counting
            self._is_counting = self._is_counting or is_due
        if is_due:
            try:
                self._counts = self._count_by_state()
                self._expires_at = time.monotonic() + _CACHE_LIFETIME_S
            except BareMetalError as exc:
                LOG.info("cannot count the nodes for the metrics: %s", exc)
                return
            finally:
                self._is_counting = False
        for state, count in self._counts.items():
            yield NODES, (state,), count

    def _count_by_state(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for state, count in self._count():
            counts[state if state in STATES else _OTHER_STATE] += count
        return counts
