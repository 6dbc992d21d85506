"""Distribution of node events to event streams. One thread reads the outbox for all streams while any stream is open."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from baremetal_interfaces import BareMetalError, Busy
from baremetal_sdk.config import EventsConfig
from baremetal_sdk.errors import EventsGone
from baremetal_sdk.http.streaming import StreamingResponse, StreamWriter
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import (
    EVENT_STREAMS,
    EVENT_STREAMS_ENDED,
    EVENT_STREAMS_REFUSED,
    EVENTS_SENT,
)
from baremetal_sdk.store.outbox import START, Event, EventPosition, Outbox
from baremetal_sdk.store.waiting import failing_fast

LOG = get_logger(__name__)
_PAGE_SIZE = 200
"""Maximum number of events in one read of the outbox."""
_MAX_PENDING_BYTES = 65536
"""A stream with more unsent bytes than this gets no events until its client has read some. Its cursor stays in place."""
_MAX_LAGGING_CURSORS = 8
"""Maximum number of cursors behind the newest one that are read in one round. Streams that catch up must not delay the
others."""
_MIN_ROUND_INTERVAL_S = 0.03
"""Pause in seconds after a round that reached the end of the outbox. It batches events that arrive in quick succession."""
_KEEPALIVE_INTERVAL_S = 15.0
"""Seconds without data after which a stream gets a comment and its cursor. This keeps proxies from closing it."""
_STORE_RETRY_INTERVAL_S = 1.0
"""Seconds between attempts to read the outbox after an error."""
_CLIENT_RETRY_MS = 2000
"""Milliseconds that clients wait before they reconnect, sent to them as the field ``retry``."""


@dataclass(frozen=True)
class EventFilter:
    """The events that one stream gets. Streams with equal filters share the encoded events."""

    project: str | None
    """The project whose nodes are visible to the client. None: all nodes are visible."""
    kinds: frozenset[str]
    node: str | None = None
    """The UUID of the only node to report. None: all visible nodes."""
    redact: Callable[[Event], str] | None = None
    """Function that returns an event as JSON text without the values that the client may not see. None: it may see all."""

    def matches(self, event: Event) -> bool:
        """Return whether the stream gets *event*."""
        return (
            event.kind in self.kinds
            and (self.project is None or self.project in (event.owner, event.lessee))
            and (self.node is None or self.node == event.node_uuid)
        )


class EventSubscription(StreamingResponse):
    """The response to one client of the event stream.

    *cursor* is the position of the last event that was read for it. The server ends the stream after *max_age_s* seconds.
    """

    def __init__(
        self,
        feed: EventFeed,
        filter: EventFilter,
        cursor: EventPosition,
        max_age_s: float,
        *,
        last: EventPosition | None = None,
    ) -> None:
        self.filter, self.cursor, self.max_age_s = filter, cursor, max_age_s
        self.last = last
        """The position at which the stream ends. None: it waits for new events."""
        self.is_authorized: Callable[[], bool] = lambda: True
        """Returns whether the client may still get events. If not, the stream ends before the next one."""
        self.writer: StreamWriter | None = None
        self.sent_at = self.read_at = time.monotonic()
        """The monotonic times in seconds of the last data sent and of the last events read for this stream."""
        self._feed = feed

    def on_start(self, writer: StreamWriter) -> None:
        """Send the cursor to the client and join the feed, which sends events from now on."""
        self.writer = writer
        # The id comes first, so that a client that gets no event can still resume at this cursor.
        self.send(b"retry: %d\nid: %s\n\n" % (_CLIENT_RETRY_MS, str(self.cursor).encode()), time.monotonic())
        self._feed.join(self)

    def on_end(self, reason: str) -> None:
        """Leave the feed, which counts the end of the stream under *reason*."""
        self._feed.leave(self, reason)

    @property
    def has_room(self) -> bool:
        """True if less than 64 KiB of sent data still wait for the client, so that it may get more."""
        return self.writer is not None and self.writer.pending_bytes < _MAX_PENDING_BYTES

    def send(self, data: bytes, now: float) -> None:
        """Queue *data* for the client without waiting. *now* is the monotonic time in seconds."""
        assert self.writer is not None
        self.sent_at = now
        self.writer.push(data)

    def end(self) -> None:
        """Ask the server to end the response after the queued data."""
        assert self.writer is not None
        self.writer.end()


class EventFeed:
    """All event streams of one API. Without streams it has no thread and reads nothing. Its methods are thread-safe."""

    def __init__(self, outbox: Callable[[], Outbox], config: EventsConfig) -> None:
        self._outbox = outbox
        self._config = config
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscriptions: list[EventSubscription] = []
        self._open = self._refused = self._sent = 0
        self._ended: Counter[str] = Counter()

    def open(self, filter: EventFilter, cursor: EventPosition | None, *, wait: bool = True) -> EventSubscription:
        """Return a stream of the events after *cursor*, or of new events without a cursor.

        With *wait* false, the stream ends after the last event that exists now. The stream counts as open until
        :meth:`leave`. Raises ``Busy`` if the maximum number of streams is open, and ``EventsGone`` for a cursor whose
        following events were deleted or that this store never assigned.
        """
        # The stream counts from here on, not from its start, so that requests in progress cannot exceed the limit.
        with self._lock:
            if self._open >= self._config.max_streams:
                self._refused += 1
                raise Busy(f"event stream limit reached: {self._open} streams are open; try again later", retry_after=5.0)
            self._open += 1
        try:
            outbox = self._outbox()
            if cursor is not None:
                outbox.check(cursor)
            head = outbox.head() if cursor is None or not wait else None
        except BaseException:
            with self._lock:
                self._open -= 1
            raise
        return EventSubscription(self, filter, cursor or head or START, self._config.max_stream_age, last=None if wait else head)

    def join(self, subscription: EventSubscription) -> None:
        """Start to send events to *subscription*, and start the thread if it is not running."""
        with self._lock:
            self._subscriptions.append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-feed", daemon=True)
                self._thread.start()
        self._wake.set()

    def leave(self, subscription: EventSubscription, reason: str) -> None:
        """Stop sending events to *subscription*, and count the end under *reason*. The subscription may not have joined yet."""
        with self._lock:
            self._open -= 1
            self._ended[reason] += 1
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
        self._wake.set()

    def readings(self) -> Iterable[Reading]:
        """Yield the metric values of the event streams, for one scrape."""
        with self._lock:
            ended = dict(self._ended)
        yield EVENT_STREAMS, (), self._open
        yield EVENT_STREAMS_REFUSED, (), self._refused
        yield EVENTS_SENT, (), self._sent
        for reason, count in ended.items():
            yield EVENT_STREAMS_ENDED, (reason,), count

    def _run(self) -> None:
        unsubscribe: Callable[[], None] | None = None
        timeout_s, is_away = 0.0, False
        while subscriptions := self._current_subscriptions():
            try:
                if unsubscribe is None:
                    unsubscribe = self._outbox().subscribe(self._wake.set)
                # The timeout finds events of other processes, for which the outbox does not call back.
                self._wake.wait(timeout_s)
                # Cleared before the read: an event that is written during the read sets it again.
                self._wake.clear()
                has_more, is_away = self._send_round(subscriptions), False
                timeout_s = 0.0 if has_more else self._config.poll_interval
                if timeout_s:
                    time.sleep(_MIN_ROUND_INTERVAL_S)
            except BareMetalError as exc:
                # Once per outage. The streams stay open and continue at their cursors.
                level = logging.DEBUG if is_away else logging.WARNING
                LOG.log(level, "cannot read events, trying again every %.0f s: %s", _STORE_RETRY_INTERVAL_S, exc)
                is_away = True
                self._send_keepalives(subscriptions, time.monotonic())
                time.sleep(_STORE_RETRY_INTERVAL_S)
            except Exception:
                # The cause is a defect. Clients reconnect with their cursors, so they lose no event.
                LOG.exception("cannot read events; ending %d event streams", len(subscriptions))
                for subscription in subscriptions:
                    subscription.end()
                time.sleep(_STORE_RETRY_INTERVAL_S)
        if unsubscribe is not None:
            unsubscribe()

    def _current_subscriptions(self) -> list[EventSubscription]:
        """Return the streams that joined. If none did, forget the thread, which then has to end."""
        with self._lock:
            # Under the lock: a stream that joins after this sees no thread and starts a new one.
            if not self._subscriptions:
                self._thread = None
            return list(self._subscriptions)

    def _send_round(self, subscriptions: Sequence[EventSubscription]) -> bool:
        """Read one page of events for each cursor, send it to its streams, and return whether more events may be waiting."""
        has_more, now = False, time.monotonic()
        by_cursor: dict[EventPosition, list[EventSubscription]] = {}
        subscriptions = [subscription for subscription in subscriptions if not _end_unauthorized(subscription)]
        for subscription in subscriptions:
            if subscription.has_room:
                by_cursor.setdefault(subscription.cursor, []).append(subscription)
        cursors = sorted(by_cursor, reverse=True)
        # Most streams are at the newest cursor and share one read. Of the others, those that waited longest come first.
        newest, lagging = cursors[:1], cursors[1:]
        lagging.sort(key=lambda cursor: min(subscription.read_at for subscription in by_cursor[cursor]))
        for cursor in (*newest, *lagging[:_MAX_LAGGING_CURSORS]):
            events = self._read(cursor, by_cursor[cursor])
            has_more = has_more or len(events) == _PAGE_SIZE or cursor not in newest
            if events:
                self._send(events, by_cursor[cursor], now)
            for subscription in by_cursor[cursor]:
                if subscription.last is not None and (subscription.cursor >= subscription.last or not events):
                    subscription.end()
        self._send_keepalives(subscriptions, now)
        return has_more

    def _send_keepalives(self, subscriptions: Sequence[EventSubscription], now: float) -> None:
        """Send a comment and the cursor to each stream that has got nothing for a while."""
        for subscription in subscriptions:
            if now - subscription.sent_at > _KEEPALIVE_INTERVAL_S and subscription.has_room:
                # The cursor moves on past events that the filter dropped, so the client resumes behind them.
                subscription.send(b": nothing new\nid: %s\n\n" % str(subscription.cursor).encode(), now)

    def _read(self, cursor: EventPosition, subscriptions: Sequence[EventSubscription]) -> Sequence[Event]:
        try:
            # Not waiting for the database, so that streams get keep-alives during an outage.
            with failing_fast():
                return self._outbox().read(cursor, _PAGE_SIZE)
        except EventsGone as exc:
            LOG.warning("ending %d event streams that cannot be resumed at their cursor: %s", len(subscriptions), exc)
            for subscription in subscriptions:
                subscription.end()
            return ()

    def _send(self, events: Sequence[Event], subscriptions: Sequence[EventSubscription], now: float) -> None:
        frames = [_encode(event, event.content) for event in events]
        # One bytes object for all streams with the same filter: thousands of streams must not cost as many copies.
        encoded: dict[EventFilter, tuple[int, bytes]] = {}
        for subscription in subscriptions:
            if subscription.filter not in encoded:
                matching = _select_frames(events, frames, subscription.filter)
                encoded[subscription.filter] = (len(matching), b"".join(matching))
            count, content = encoded[subscription.filter]
            # The cursor also moves if the filter dropped all events of the page, so that they are not read again.
            subscription.cursor, subscription.read_at = events[-1].position, now
            if content:
                subscription.send(content, now)
                self._sent += count


def _end_unauthorized(subscription: EventSubscription) -> bool:
    """End the stream of a client that may get no more events. Return whether that is the case."""
    if subscription.is_authorized():
        return False
    subscription.end()
    return True


def _select_frames(events: Sequence[Event], frames: Sequence[bytes], filter: EventFilter) -> list[bytes]:
    """Return the events that match *filter*, encoded. *frames* has the same *events* encoded without redaction."""
    redact = filter.redact
    if redact is not None:
        return [_encode(event, redact(event)) for event in events if filter.matches(event)]
    return [frame for event, frame in zip(events, frames, strict=True) if filter.matches(event)]


def _encode(event: Event, content: str) -> bytes:
    """Return an event in the format of server-sent events. *content* is JSON without line breaks, so one line suffices."""
    return f"id: {event.position}\nevent: {event.kind}\ndata: {content}\n\n".encode()
