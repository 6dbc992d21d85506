"""The event stream: server-sent events from a cursor on, filtered by the rights of the client."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from fixtures import MonkeyPatch

from baremetal_interfaces import Busy
from baremetal_sdk.api.events.feed import EventFeed, EventFilter, EventSubscription
from baremetal_sdk.config import EventsConfig
from baremetal_sdk.http.streaming import CLIENT_LEFT
from baremetal_sdk.store.outbox import EVENT_KINDS, Event, EventPosition
from tests.fixtures.api import APIResponse, APITestCase
from tests.fixtures.api_access import RBACTestCase, project_identity

PATH = "/v1/events/stream"
LONG_STREAMS = EventsConfig(max_stream_age=60)
"""With ``wait=false`` a stream ends after the last event. It must not end before because of its age on a slow machine."""


def events_of(raw: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the id, the type and the content of each event of a stream."""
    events = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            events.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return events


def cursor_of(response: APIResponse) -> str:
    """Return the last id of a stream."""
    return [line.split(": ")[1] for line in response.raw.decode().splitlines() if line.startswith("id: ")][-1]


class TestEventStream(APITestCase):
    """``GET /v1/events/stream``."""

    events = LONG_STREAMS

    def follow(self, query: str = "", **headers: str) -> APIResponse:
        """Request the events that exist now."""
        return self.request("GET", f"{PATH}?wait=false{query.replace('?', '&')}", **headers)

    def test_stream_starts_now_or_at_its_cursor(self) -> None:
        """A stream without a cursor has no past events. With a cursor, as header or parameter, it has all later events."""
        self.create_node()
        first = self.follow()
        self.assertEqual(200, first.status)
        self.assertEqual("text/event-stream", first.headers["Content-Type"].partition(";")[0])
        self.assertEqual([], events_of(first.raw))
        node = self.create_node(name="later")
        for again in (self.follow(Last_Event_ID=cursor_of(first)), self.follow(f"?after={cursor_of(first)}")):
            [(cursor, kind, content)] = events_of(again.raw)
            self.assertEqual("state", kind)
            self.assertEqual((node, "later", "enroll"), tuple(content[field] for field in ("node", "name", "provision_state")))
        self.assertEqual([], events_of(self.follow(f"?after={cursor_of(first)}", Last_Event_ID=cursor).raw))

    def test_stream_has_only_the_requested_events(self) -> None:
        """A client can select types and one node. Unknown types and nodes are refused."""
        before = cursor_of(self.follow())
        a, b = self.create_node(name="a"), self.create_node(name="b")
        self.conductor.store.update_node(a, {"power_state": "power on"}, fence=None)

        def followed(query: str) -> list[tuple[str, str]]:
            return [(kind, content["node"]) for _, kind, content in events_of(self.follow(f"?after={before}&{query}").raw)]

        self.assertEqual([("power", a)], followed("types=power,lease"))
        self.assertEqual([("state", b)], followed("node=b"))
        self.assertEqual([("state", a), ("state", b), ("power", a)], followed(f"types={','.join(EVENT_KINDS)}"))
        self.assert_refused(self.follow("?types=weather"), 400, "types", "state, power, step, lease")
        self.assert_refused(self.follow("?node=missing"), 404, "missing")

    def test_unusable_cursor_is_refused(self) -> None:
        """The status is 410 if events after the cursor are gone or it is of another database, and 400 for other text."""
        before = cursor_of(self.follow())
        self.create_node()
        self.conductor.store.outbox.prune(self.conductor.clock.now() + timedelta(seconds=1))
        self.assert_refused(self.follow(Last_Event_ID=before), 410, "not kept any more", "read the nodes again")
        self.assert_refused(self.follow("?after=9-9"), 410, "another database")
        self.assert_refused(self.follow("?after=yesterday"), 400, "cursor")

    def test_number_of_streams_is_limited(self) -> None:
        """At the limit a request gets 503 with Retry-After. A stream that ends frees its place once."""
        feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig(max_streams=2))
        filter = EventFilter(None, frozenset(EVENT_KINDS))
        subscriptions = [feed.open(filter, None) for _ in range(2)]
        refused = self.assertRaises(Busy, feed.open, filter, None)
        self.assertEqual(503, refused.code)
        self.assertEqual(5.0, refused.retry_after)
        subscriptions[0].close()
        subscriptions[0].close()
        feed.open(filter, None)
        values = {metric.name: value for metric, labels, value in feed.readings()}
        self.assertEqual(2, values["baremetal_event_streams"])
        self.assertEqual(1, values["baremetal_event_streams_refused"])
        self.assertEqual(1, values["baremetal_event_streams_ended"])

    def test_disabled_events_have_no_stream(self) -> None:
        """The status is 404 if [events] enabled is false."""
        object.__setattr__(self.conductor.config, "events", EventsConfig(enabled=False))
        self.assert_refused(self.follow(), 404, "[events] enabled")


class TestFeed(APITestCase):
    """Several streams of one feed."""

    def setUp(self) -> None:
        super().setUp()
        self.feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig())
        self.filter = EventFilter(None, frozenset(EVENT_KINDS))

    def pieces(self, subscription: EventSubscription) -> Iterator[bytes]:
        """Return the pieces of a stream, as a server without support for pushed responses iterates over them."""
        self.addCleanup(subscription.notify_end, CLIENT_LEFT)
        return iter(subscription)

    def test_streams_at_one_cursor_share_a_read(self) -> None:
        """A hundred streams at the same cursor cost one read and get the same bytes object."""
        streams = [self.pieces(self.feed.open(self.filter, None)) for _ in range(100)]
        for stream in streams:
            next(stream)
        outbox = self.conductor.store.outbox
        reads: list[EventPosition] = []
        read = outbox.read

        def counting_read(after: EventPosition, limit: int) -> Sequence[Event]:
            reads.append(after)
            return read(after, limit)

        outbox.read = counting_read  # type: ignore[method-assign]
        node = self.create_node()
        pieces = [next(stream) for stream in streams]
        self.assertIn(node.encode(), pieces[0])
        self.assertEqual(1, len(set(map(id, pieces))))
        self.assertLess(len(reads), 10)

    def test_slow_client_does_not_delay_others(self) -> None:
        """A client that does not read gets little more than the limit, and gets all the rest when it reads again."""
        slow, quick = self.feed.open(self.filter, None), self.feed.open(self.filter, None)
        slow_stream, quick_stream = self.pieces(slow), self.pieces(quick)
        next(slow_stream)
        node, count = self.create_node(), 3000
        for number in range(count):
            self.conductor.store.update_node(node, {"power_state": f"power {number}"}, fence=None)
        seen = b""
        while b"power %d" % (count - 1) not in seen:
            seen += next(quick_stream)
        assert slow.writer is not None
        self.assertLess(slow.writer.pending_bytes, 200_000)
        late = b""
        while b"power %d" % (count - 1) not in late:
            late += next(slow_stream)
        self.assertEqual(events_of(seen), events_of(late))
        self.assertEqual(count + 1, len(events_of(late)))

    def test_thread_ends_with_the_last_stream(self) -> None:
        """Without streams the feed has no thread."""
        subscription = self.feed.open(self.filter, None)
        next(self.pieces(subscription))
        thread = self.feed._thread
        assert thread is not None
        subscription.notify_end(CLIENT_LEFT)
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_stream_after_all_others_ended_gets_events(self) -> None:
        """A stream that opens after the thread ended starts a new thread."""
        for _ in range(2):
            subscription = self.feed.open(self.filter, None)
            stream = self.pieces(subscription)
            next(stream)
            self.assertIn(self.create_node().encode(), next(stream))
            thread = self.feed._thread
            assert thread is not None
            subscription.notify_end(CLIENT_LEFT)
            thread.join(10)

    def test_idle_stream_gets_its_cursor(self) -> None:
        """An idle stream gets a comment with its cursor, which has passed the events that the filter dropped."""
        self.useFixture(MonkeyPatch("baremetal_sdk.api.events.feed._KEEPALIVE_INTERVAL_S", 0.05))
        self.feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig(poll_interval=0.05))
        subscription = self.feed.open(dataclasses.replace(self.filter, kinds=frozenset({"power"})), None)
        stream = self.pieces(subscription)
        next(stream)
        self.create_node()
        head = f"id: {self.conductor.store.outbox.head()}\n\n".encode()
        for _ in range(100):
            piece = next(stream)
            self.assertTrue(piece.startswith(b": nothing new\n"), piece)
            if piece.endswith(head):
                return
        self.fail(f"{piece!r} does not end with {head!r}")


class TestVisibility(RBACTestCase):
    """Events of a project's own nodes."""

    events = LONG_STREAMS

    def test_project_gets_events_of_its_nodes(self) -> None:
        """The projects that own or lease a node get its events. Other projects do not."""
        before = cursor_of(self.request_as(project_identity("owner", "reader"), "GET", f"{PATH}?wait=false"))
        self.conductor.store.update_node(self.conductor.store.node("m1").uuid, {"power_state": "power on"}, fence=None)
        for project, count in (("owner", 1), ("lessee", 1), ("stranger", 0)):
            response = self.request_as(project_identity(project, "reader"), "GET", f"{PATH}?wait=false&after={before}")
            self.assertEqual(200, response.status, project)
            self.assertEqual(count, len(events_of(response.raw)), project)
        self.assert_refused(self.request_as(project_identity("stranger", "reader"), "GET", f"{PATH}?node=m1"), 404, "m1")
        self.assert_refused(self.request_as(project_identity("owner"), "GET", PATH), 403, "baremetal:node:list")

    def test_events_hide_the_fields_that_the_node_hides(self) -> None:
        """The cause of an error and the holder of a lease are only for clients that may see them of the node."""
        before = cursor_of(self.request_as(project_identity("owner", "reader"), "GET", f"{PATH}?wait=false"))
        node = self.conductor.store.node("m1").uuid
        self.conductor.store.update_node(node, {"provision_state": "error", "last_error": "the BMC at 10.0.0.1"}, fence=None)
        self.conductor.store.take_lease(node, holder="host-1/a", purpose="deploy", duration=60)
        for project, visible in (("owner", True), ("lessee", False)):
            raw = self.request_as(project_identity(project, "reader"), "GET", f"{PATH}?wait=false&after={before}").raw
            for secret in (b"10.0.0.1", b"host-1", b'"deploy"'):
                self.assertEqual(visible, secret in raw, (project, secret, raw))
            self.assertEqual(2, len(events_of(raw)))
