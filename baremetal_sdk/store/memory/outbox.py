"""The outbox in the memory of the process."""

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
    """The ``Outbox`` protocol in memory, and its writing side: that is called under the lock of the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._events: list[Event] = []
        self._times: list[datetime] = []
        self._last = self._gone = START
        self._subscribers: tuple[Callable[[], object], ...] = ()

    def write(self, drafts: Sequence[EventDraft]) -> None:
        """Add events."""
        with self._lock:
            for draft in drafts:
                self._last = EventPosition(START.batch, self._last.number + 1)
                self._events.append(Event(self._last, *draft))
                self._times.append(self._clock.now())
            self._forget(len(self._events) - MAX_EVENTS)
        for callback in self._subscribers:
            callback()

    def head(self) -> EventPosition:
        """The position of the last event."""
        return self._last

    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """The events after a position."""
        with self._lock:
            if after < self._gone and self._events:
                raise events_gone_error(after)
            first = bisect_right(self._events, after, key=lambda event: event.position)
            return self._events[first : first + limit]

    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` for a cursor that nothing can be read after."""
        if cursor < self._gone:
            raise events_gone_error(cursor)
        if cursor > self._last:
            raise unknown_cursor_error(cursor)

    def prune(self, before: datetime) -> int:
        """Forget what is older."""
        with self._lock:
            return self._forget(sum(time < before for time in self._times))

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback* when something was written."""
        self._subscribers = (*self._subscribers, callback)

        def end() -> None:
            self._subscribers = tuple(one for one in self._subscribers if one is not callback)

        return end

    def _forget(self, count: int) -> int:
        if count > 0:
            self._gone = self._events[count - 1].position
            del self._events[:count], self._times[:count]
        return max(0, count)
