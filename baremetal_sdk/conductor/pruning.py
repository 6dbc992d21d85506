"""What is kept for a time only, and then forgotten: events, and the answers of requests that are done once."""

from __future__ import annotations

from datetime import timedelta

from baremetal_sdk.clock import Clock
from baremetal_sdk.config import EventsConfig
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import KeyedRequestRecord
from baremetal_sdk.store.records.query import Query

ANSWERS_KEPT = timedelta(hours=24)
MOST_ANSWERS = 10_000


class Upkeep:
    """Deletes what has had its time. Several conductors may do so at the same time."""

    def __init__(self, store: Store, clock: Clock, events: EventsConfig) -> None:
        self._store = store
        self._clock = clock
        self._events = events

    def run(self) -> None:
        """Delete what is too old, or too much."""
        now = self._clock.now()
        self._store.outbox.prune(now - timedelta(seconds=self._events.retention))
        newest_first = Query(fields=("created_at",), limit=MOST_ANSWERS, sort_key="created_at", sort_dir="desc")
        kept = self._store.records(KeyedRequestRecord, newest_first)
        until = now - ANSWERS_KEPT
        if len(kept) == MOST_ANSWERS:
            until = max(until, kept[-1].created_at)
        self._store.purge_records(KeyedRequestRecord, {}, created_before=until)
