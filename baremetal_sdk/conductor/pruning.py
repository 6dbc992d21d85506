"""Deletion of expired records: events, and the responses kept for idempotency keys."""

from __future__ import annotations

from datetime import timedelta

from baremetal_sdk.clock import Clock
from baremetal_sdk.config import EventsConfig
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import KeyedRequestRecord
from baremetal_sdk.store.records.query import Query

RESPONSE_RETENTION = timedelta(hours=24)
MAX_RESPONSES = 10_000


class Pruner:
    """Deletes expired events and stored responses. Several conductors may run it at the same time."""

    def __init__(self, store: Store, clock: Clock, events: EventsConfig) -> None:
        self._store = store
        self._clock = clock
        self._events = events

    def run(self) -> None:
        """Delete events after their retention, and responses that are older than a day or beyond the newest 10,000."""
        now = self._clock.now()
        self._store.outbox.prune(now - timedelta(seconds=self._events.retention))
        newest_first = Query(fields=("created_at",), limit=MAX_RESPONSES, sort_key="created_at", sort_dir="desc")
        newest = self._store.records(KeyedRequestRecord, newest_first)
        oldest_to_keep = now - RESPONSE_RETENTION
        if len(newest) == MAX_RESPONSES:
            oldest_to_keep = max(oldest_to_keep, newest[-1].created_at)
        self._store.purge_records(KeyedRequestRecord, {}, created_before=oldest_to_keep)
