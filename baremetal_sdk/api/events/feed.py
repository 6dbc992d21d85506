"""Events on their way to readers: read once for all who are equally far, by a thread that is there while anybody reads."""

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
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import (
    EVENT_STREAMS,
    EVENT_STREAMS_ENDED,
    EVENT_STREAMS_REFUSED,
    EVENTS_SENT,
)
from baremetal_sdk.store.outbox import START, Event, EventPosition, Outbox

LOG = logging.getLogger(__name__)
_PAGE = 200
"""Events that are read at a time."""
_ROOM = 65536
"""Bytes that may wait for a reader that gets more; who reads slowly goes on from where it is, when it has read."""
_BEHIND = 8
"""Places beside the newest one that are read from in one round: who catches up does not hold up those who have."""
_SPACING = 0.03
"""Seconds between two rounds when news come all the time."""
_SILENCE = 15.0
"""Seconds after which a reader without news is sent its cursor, which keeps proxies from closing the connection."""
_PAUSE = 1.0
"""Seconds until a store that failed is asked again."""
_RETRY = 2000
"""Milliseconds that readers are told to wait before they come back."""


@dataclass(frozen=True)
class EventFilter:
    """What a reader gets to see."""

    project: str | None
    """The project whose nodes it sees; None for all."""
    kinds: frozenset[str]
    node: str | None = None
    """The UUID of the only node that it wants to hear of."""
    redacted: Callable[[Event], str] | None = None
    """What it may see of the content of an event, where that may be less than all of it."""

    def takes(self, event: Event) -> bool:
        """Whether *event* is for this reader."""
        return (
            event.kind in self.kinds
            and (self.project is None or self.project in (event.owner, event.lessee))
            and (self.node is None or self.node == event.node_uuid)
        )


class Reader(StreamingResponse):
    """One stream, and how far it is."""

    def __init__(
        self, feed: EventFeed, wanted: EventFilter, cursor: EventPosition, max_age_s: float, last: EventPosition | None = None
    ) -> None:
        self.wanted, self.cursor, self.max_age_s = wanted, cursor, max_age_s
        self.last = last
        """The event behind which it ends; None: it waits for more."""
        self.writer: StreamWriter | None = None
        self.spoken_at = self.read_at = time.monotonic()
        """When it was sent something last, and when something was read for it last."""
        self._feed = feed

    def on_start(self, writer: StreamWriter) -> None:
        """Follow from now on."""
        self.writer = writer
        self.send(b"retry: %d\nid: %s\n\n" % (_RETRY, str(self.cursor).encode()), time.monotonic())
        self._feed.join(self)

    def on_end(self, reason: str) -> None:
        """Follow no more."""
        self._feed.leave(self, reason)

    @property
    def has_room(self) -> bool:
        """Whether it has read most of what it was sent."""
        return self.writer is not None and self.writer.pending_bytes < _ROOM

    def send(self, data: bytes, now: float) -> None:
        """Send it something."""
        assert self.writer is not None
        self.spoken_at = now
        self.writer.push(data)

    def end(self) -> None:
        """Let it end behind what it was sent."""
        assert self.writer is not None
        self.writer.end()


class EventFeed:
    """All streams of one API. Without any, no thread is there and nothing is read."""

    def __init__(self, outbox: Callable[[], Outbox], config: EventsConfig) -> None:
        self._outbox = outbox
        self._config = config
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._readers: list[Reader] = []
        self._open = self._refused = self._sent = 0
        self._ended: Counter[str] = Counter()

    def open(self, wanted: EventFilter, cursor: EventPosition | None, *, wait: bool = True) -> Reader:
        """A stream of what comes after *cursor*, or after now; where it shall not *wait*, up to now.

        Raises ``Busy`` and ``EventsGone``.
        """
        with self._lock:
            if self._open >= self._config.max_streams:
                self._refused += 1
                raise Busy(f"{self._open} streams of events are open, which is as many as there may be", retry_after=5.0)
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
        return Reader(self, wanted, cursor or head or START, self._config.max_stream_age, None if wait else head)

    def join(self, reader: Reader) -> None:
        """Send events to *reader*, whose client is there."""
        with self._lock:
            self._readers.append(reader)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-feed", daemon=True)
                self._thread.start()
        self._news.set()

    def leave(self, reader: Reader, why: str) -> None:
        """Send nothing more to *reader*."""
        with self._lock:
            self._open -= 1
            self._ended[why] += 1
            if reader in self._readers:
                self._readers.remove(reader)
        self._news.set()

    def readings(self) -> Iterable[Reading]:
        """What a scrape of the metrics shows of it."""
        with self._lock:
            ended = dict(self._ended)
        yield EVENT_STREAMS, (), self._open
        yield EVENT_STREAMS_REFUSED, (), self._refused
        yield EVENTS_SENT, (), self._sent
        for why, count in ended.items():
            yield EVENT_STREAMS_ENDED, (why,), count

    def _run(self) -> None:
        stop_following: Callable[[], None] | None = None
        pause = 0.0
        while readers := self._present():
            try:
                if stop_following is None:
                    stop_following = self._outbox().subscribe(self._news.set)
                self._news.wait(pause)
                self._news.clear()
                pause = 0.0 if self._round(readers) else self._config.poll_interval
                time.sleep(_SPACING if pause else 0.0)
            except BareMetalError as exc:
                LOG.warning("events cannot be read now: %s", exc)
                time.sleep(_PAUSE)
            except Exception:
                LOG.exception("events could not be read: their streams end")
                for reader in readers:
                    reader.end()
                time.sleep(_PAUSE)
        if stop_following is not None:
            stop_following()

    def _present(self) -> list[Reader]:
        """Who follows now; when nobody does, the thread has to end."""
        with self._lock:
            if not self._readers:
                self._thread = None
            return list(self._readers)

    def _round(self, readers: Sequence[Reader]) -> bool:
        """Send what there is to those who can take it; tell whether there may be more."""
        more, now = False, time.monotonic()
        places: dict[EventPosition, list[Reader]] = {}
        for reader in readers:
            if reader.has_room:
                places.setdefault(reader.cursor, []).append(reader)
        behind = sorted(places, reverse=True)
        newest, others = behind[:1], sorted(behind[1:], key=lambda place: min(one.read_at for one in places[place]))
        for place in (*newest, *others[:_BEHIND]):
            events = self._read(place, places[place])
            more = more or len(events) == _PAGE or place not in newest
            if events:
                self._send(events, places[place], now)
            for reader in places[place]:
                if reader.last is not None and (reader.cursor >= reader.last or not events):
                    reader.end()
        for reader in readers:
            if now - reader.spoken_at > _SILENCE and reader.has_room:
                reader.send(b": nothing new\nid: %s\n\n" % str(reader.cursor).encode(), now)
        return more

    def _read(self, place: EventPosition, readers: Sequence[Reader]) -> Sequence[Event]:
        try:
            return self._outbox().read(place, _PAGE)
        except EventsGone as exc:
            LOG.warning("%d streams end: %s", len(readers), exc)
            for reader in readers:
                reader.end()
            return ()

    def _send(self, events: Sequence[Event], readers: Sequence[Reader], now: float) -> None:
        frames = [_frame(event, event.content) for event in events]
        shown: dict[EventFilter, tuple[int, bytes]] = {}
        for reader in readers:
            if reader.wanted not in shown:
                taken = _taken(events, frames, reader.wanted)
                shown[reader.wanted] = (len(taken), b"".join(taken))
            count, content = shown[reader.wanted]
            reader.cursor, reader.read_at = events[-1].position, now
            if content:
                reader.send(content, now)
                self._sent += count


def _taken(events: Sequence[Event], frames: Sequence[bytes], wanted: EventFilter) -> list[bytes]:
    """What of the events a reader gets."""
    own = wanted.redacted
    if own is not None:
        return [_frame(event, own(event)) for event in events if wanted.takes(event)]
    return [frame for event, frame in zip(events, frames, strict=True) if wanted.takes(event)]


def _frame(event: Event, content: str) -> bytes:
    """An event as server-sent events are written: its content is JSON, and has no line break."""
    return f"id: {event.position}\nevent: {event.kind}\ndata: {content}\n\n".encode()
