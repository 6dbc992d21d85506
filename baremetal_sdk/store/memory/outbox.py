"""Outbox of the store in memory."""

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


class NotifyingLock:
    """A lock whose holder can ask for a call after its release. Not reentrant."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._notify: Callable[[], object] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        notify, self._notify = self._notify, None
        self._lock.release()
        if notify is not None:
            notify()

    def call_after_release(self, notify: Callable[[], object]) -> None:
        """Call *notify* once in this thread after it has released the lock, which it holds."""
        self._notify = notify


class MemoryOutbox:
    """Implementation of the ``Outbox`` protocol for the store in memory, which writes events to it.

    *store_lock* is the lock of the store, which is held during each write.
    """

    def __init__(self, clock: Clock, store_lock: NotifyingLock) -> None:
        self._clock = clock
        self._store_lock = store_lock
        self._lock = Lock()
        self._events: list[Event] = []
        self._times: list[datetime] = []
        self._last = self._last_deleted = START
        self._subscribers: tuple[Callable[[], object], ...] = ()

    def write(self, drafts: Sequence[EventDraft]) -> None:
        """Add events, and delete the oldest beyond ``MAX_EVENTS``. The caller must hold the store's lock.

        The subscribers are called when it has released the lock.
        """
        with self._lock:
            for draft in drafts:
                self._last = EventPosition(START.batch, self._last.number + 1)
                self._events.append(Event(self._last, *draft))
                self._times.append(self._clock.now())
            self._delete_oldest(len(self._events) - MAX_EVENTS)
        self._store_lock.call_after_release(self._notify)

    def head(self) -> EventPosition:
        """Return the position of the last event."""
        return self._last

    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """Return the first *limit* events after a position. Raises ``EventsGone`` if events after it have been deleted."""
        with self._lock:
            # As in SQL, a reader that has missed events gets an error only with its next event.
            if after < self._last_deleted and self._events:
                raise events_gone_error(after)
            first = bisect_right(self._events, after, key=lambda event: event.position)
            return self._events[first : first + limit]

    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` if events after *cursor* have been deleted, or if this store never assigned the position."""
        if cursor < self._last_deleted:
            raise events_gone_error(cursor)
        if cursor > self._last:
            raise unknown_cursor_error(cursor)

    def prune(self, before: datetime) -> int:
        """Delete events written before the time *before*, and return their number."""
        with self._lock:
            return self._delete_oldest(sum(time < before for time in self._times))

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register *callback*, to be called after each change with events, in the thread that wrote. No lock is held then.

        Return a function that ends the subscription.
        """
        self._subscribers = (*self._subscribers, callback)

        def end() -> None:
            self._subscribers = tuple(subscriber for subscriber in self._subscribers if subscriber is not callback)

        return end

    def _notify(self) -> None:
        for callback in self._subscribers:
            callback()

    def _delete_oldest(self, count: int) -> int:
        if count > 0:
            self._last_deleted = self._events[count - 1].position
            del self._events[:count], self._times[:count]
        return max(0, count)
