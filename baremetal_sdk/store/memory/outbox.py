"""Outbox in the memory of the process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock

from baremetal_sdk.clock import Clock
from baremetal_sdk.store.outbox import (
    MAX_EVENTS,
    START,
    Event,
    EventDraft,
    EventPosition,
    events_gone_error,
    unknown_cursor_error,
)


class MemoryOutbox:
    """The ``Outbox`` protocol in memory, and the method that writes events, which needs the store's lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._events: list[Event] = []
        self._times: list[datetime] = []
        self._last = self._last_deleted = START
        self._subscribers: tuple[Callable[[], object], ...] = ()

    def write(self, drafts: Sequence[EventDraft]) -> None:
        """Add events. The caller must hold the lock of the store."""
        with self._lock:
            for draft in drafts:
                self._last = EventPosition(START.batch, self._last.number + 1)
                self._events.append(Event(self._last, *draft))
                self._times.append(self._clock.now())
            self._delete_oldest(len(self._events) - MAX_EVENTS)
        # Outside of the outbox's lock, because a subscriber may read at once.
        for callback in self._subscribers:
            callback()

    def head(self) -> EventPosition:
        """Return the position of the last event."""
        return self._last

    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """Return up to *limit* events after a position."""
        with self._lock:
            # As in SQL, a reader that has missed events gets an error only with its next event.
            if after < self._last_deleted and self._events:
                raise events_gone_error(after)
            first = bisect_right(self._events, after, key=lambda event: event.position)
            return self._events[first : first + limit]

    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` for a position after which the store cannot read all events."""
        if cursor < self._last_deleted:
            raise events_gone_error(cursor)
        if cursor > self._last:
            raise unknown_cursor_error(cursor)

    def prune(self, before: datetime) -> int:
        """Delete events older than *before* and return their number."""
        with self._lock:
            return self._delete_oldest(sum(time < before for time in self._times))

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback* after events were written; the result ends the subscription."""
        self._subscribers = (*self._subscribers, callback)

        def end() -> None:
            self._subscribers = tuple(subscriber for subscriber in self._subscribers if subscriber is not callback)

        return end

    def _delete_oldest(self, count: int) -> int:
        if count > 0:
            self._last_deleted = self._events[count - 1].position
            del self._events[:count], self._times[:count]
        return max(0, count)
