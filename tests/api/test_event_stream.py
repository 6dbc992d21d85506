"""Following nodes: server-sent events, from a cursor on, for those who may see the nodes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from fixtures import MonkeyPatch

from baremetal_interfaces import Busy
from baremetal_sdk.api.events.feed import EventFeed, EventFilter, Reader
from baremetal_sdk.config import EventsConfig
from baremetal_sdk.http.streaming import CLIENT_LEFT
from baremetal_sdk.store.outbox import EVENT_KINDS
from tests.fixtures.api import Answer, APITestCase
from tests.fixtures.api_access import RBACTestCase, member

PATH = "/v1/events/stream"
LONG_STREAMS = EventsConfig(max_stream_age=60)
"""With ``wait=false`` a stream ends after the last event. It must not end before because of its age on a slow machine."""


def events_of(raw: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, type and content of each event of a stream."""
    found = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


def cursor_of(answer: Answer) -> str:
    """The id that a stream ended with."""
    return [line.split(": ")[1] for line in answer.raw.decode().splitlines() if line.startswith("id: ")][-1]


class TestEventStream(APITestCase):
    """``GET /v1/events/stream``."""

    events = LONG_STREAMS

    def follow(self, query: str = "", **headers: str) -> Answer:
        """What there is now."""
        return self.request("GET", f"{PATH}?wait=false{query.replace('?', '&')}", **headers)

    def test_a_stream_begins_now_and_goes_on_from_its_cursor(self) -> None:
        """Without a cursor nothing of the past is sent, with one all that came after it, whoever says it, in whatever way."""
        self.node()
        first = self.follow()
        self.assertEqual((200, "text/event-stream"), (first.status, first.headers["Content-Type"].partition(";")[0]))
        self.assertEqual([], events_of(first.raw))
        node = self.node(name="later")
        for again in (self.follow(Last_Event_ID=cursor_of(first)), self.follow(f"?after={cursor_of(first)}")):
            [(cursor, kind, content)] = events_of(again.raw)
            told = tuple(content[field] for field in ("node", "name", "provision_state"))
            self.assertEqual(("state", (node, "later", "enroll")), (kind, told))
        self.assertEqual([], events_of(self.follow(f"?after={cursor_of(first)}", Last_Event_ID=cursor).raw))

    def test_only_what_is_asked_for_is_sent(self) -> None:
        """Types and one node can be asked for; what there is not is refused."""
        before = cursor_of(self.follow())
        a, b = self.node(name="a"), self.node(name="b")
        self.conductor.store.update_node(a, {"power_state": "power on"}, fence=None)

        def seen(query: str) -> list[tuple[str, str]]:
            return [(kind, content["node"]) for _, kind, content in events_of(self.follow(f"?after={before}&{query}").raw)]

        self.assertEqual([("power", a)], seen("types=power,lease"))
        self.assertEqual([("state", b)], seen("node=b"))
        self.assertEqual([("state", a), ("state", b), ("power", a)], seen(f"types={','.join(EVENT_KINDS)}"))
        self.assert_refused(self.follow("?types=weather"), 400, "types", "state, power, step, lease")
        self.assert_refused(self.follow("?node=missing"), 404, "missing")

    def test_a_cursor_that_is_too_old_is_said(self) -> None:
        """410 says that events are missing; what is no cursor, or another database's, is refused as well."""
        before = cursor_of(self.follow())
        self.node()
        self.conductor.store.outbox.prune(self.conductor.clock.now() + timedelta(seconds=1))
        self.assert_refused(self.follow(Last_Event_ID=before), 410, "not kept any more", "read the nodes again")
        self.assert_refused(self.follow("?after=9-9"), 410, "another database")
        self.assert_refused(self.follow("?after=yesterday"), 400, "cursor")

    def test_there_is_a_cap(self) -> None:
        """Beyond the greatest number the answer is 503 with a time to come back, and one that ended makes room."""
        feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig(max_streams=2))
        wanted = EventFilter(None, frozenset(EVENT_KINDS))
        readers = [feed.open(wanted, None) for _ in range(2)]
        refused = self.assertRaises(Busy, feed.open, wanted, None)
        self.assertEqual((503, 5.0), (refused.code, refused.retry_after))
        readers[0].close()
        readers[0].close()
        feed.open(wanted, None)
        shown = {metric.name: value for metric, labels, value in feed.readings()}
        self.assertEqual(2, shown["baremetal_event_streams"])
        self.assertEqual(1, shown["baremetal_event_streams_refused"])
        self.assertEqual(1, shown["baremetal_event_streams_ended"])

    def test_they_can_be_switched_off(self) -> None:
        """Where no events are kept, nobody waits for them in vain."""
        object.__setattr__(self.conductor.config, "events", EventsConfig(enabled=False))
        self.assert_refused(self.follow(), 404, "[events] enabled")


class TestFeed(APITestCase):
    """Many readers of one feed."""

    def setUp(self) -> None:
        super().setUp()
        self.feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig())
        self.wanted = EventFilter(None, frozenset(EVENT_KINDS))

    def pieces(self, reader: Reader) -> Iterator[bytes]:
        """What a reader gets, as another server would send it."""
        self.addCleanup(reader.notify_end, CLIENT_LEFT)
        return iter(reader)

    def test_what_many_read_is_read_once(self) -> None:
        """A hundred readers that are equally far cost one read, and get the very same bytes."""
        readers = [self.feed.open(self.wanted, None) for _ in range(100)]
        streams = [self.pieces(reader) for reader in readers]
        for stream in streams:
            next(stream)
        outbox = self.conductor.store.outbox
        counted: list[int] = []
        read = outbox.read
        outbox.read = lambda after, limit: (counted.append(1), read(after, limit))[1]  # type: ignore[method-assign,func-returns-value]
        node = self.node()
        seen = [next(stream) for stream in streams]
        self.assertIn(node.encode(), seen[0])
        self.assertEqual(1, len(set(map(id, seen))))
        self.assertLess(len(counted), 10)

    def test_who_does_not_read_holds_up_nobody(self) -> None:
        """A reader that takes nothing is sent little more than it has room for, and goes on from there when it reads again."""
        slow, quick = self.feed.open(self.wanted, None), self.feed.open(self.wanted, None)
        slow_stream, quick_stream = self.pieces(slow), self.pieces(quick)
        next(slow_stream)
        node, count = self.node(), 3000
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
        self.assertEqual([one for one in events_of(seen)], [one for one in events_of(late)])
        self.assertEqual(count + 1, len(events_of(late)))

    def test_without_readers_there_is_no_thread(self) -> None:
        """The thread that reads ends with the last stream."""
        reader = self.feed.open(self.wanted, None)
        next(self.pieces(reader))
        thread = self.feed._thread
        assert thread is not None
        reader.notify_end(CLIENT_LEFT)
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_who_comes_after_all_have_left_is_served(self) -> None:
        """A stream that is opened when the thread of earlier ones has ended gets what happens."""
        for _ in range(2):
            reader = self.feed.open(self.wanted, None)
            stream = self.pieces(reader)
            next(stream)
            self.assertIn(self.node().encode(), next(stream))
            thread = self.feed._thread
            assert thread is not None
            reader.notify_end(CLIENT_LEFT)
            thread.join(10)

    def test_a_stream_without_news_is_sent_its_cursor(self) -> None:
        """Proxies do not take it for dead, and its client comes back to where it is, not to where the last event for it was."""
        self.useFixture(MonkeyPatch("baremetal_sdk.api.events.feed._SILENCE", 0.05))
        self.feed = EventFeed(lambda: self.conductor.store.outbox, EventsConfig(poll_interval=0.05))
        reader = self.feed.open(dataclasses.replace(self.wanted, kinds=frozenset({"power"})), None)
        stream = self.pieces(reader)
        next(stream)
        self.node()
        head = f"id: {self.conductor.store.outbox.head()}\n\n".encode()
        for _ in range(100):
            told = next(stream)
            self.assertTrue(told.startswith(b": nothing new\n"), told)
            if told.endswith(head):
                return
        self.fail(f"{told!r} does not end with {head!r}")


class TestWhoSeesWhat(RBACTestCase):
    """Events of a project's own nodes."""

    events = LONG_STREAMS

    def test_a_project_hears_of_its_nodes(self) -> None:
        """Owner and lessee are sent what happens to a node, and a stranger is not."""
        before = cursor_of(self.ask(member("owner", "reader"), "GET", f"{PATH}?wait=false"))
        self.conductor.store.update_node(self.conductor.store.node("m1").uuid, {"power_state": "power on"}, fence=None)
        for project, count in (("owner", 1), ("lessee", 1), ("stranger", 0)):
            answer = self.ask(member(project, "reader"), "GET", f"{PATH}?wait=false&after={before}")
            self.assertEqual((200, count), (answer.status, len(events_of(answer.raw))), project)
        self.assert_refused(self.ask(member("stranger", "reader"), "GET", f"{PATH}?node=m1"), 404, "m1")
        self.assert_refused(self.ask(member("owner"), "GET", PATH), 403, "baremetal:node:list")

    def test_a_lessee_is_shown_no_more_than_of_the_node(self) -> None:
        """Why something failed and who works on a node is told to those who may see it of the node."""
        before = cursor_of(self.ask(member("owner", "reader"), "GET", f"{PATH}?wait=false"))
        node = self.conductor.store.node("m1").uuid
        self.conductor.store.update_node(node, {"provision_state": "error", "last_error": "the BMC at 10.0.0.1"}, fence=None)
        self.conductor.store.take_lease(node, holder="host-1/a", purpose="deploy", duration=60)
        for project, visible in (("owner", True), ("lessee", False)):
            raw = self.ask(member(project, "reader"), "GET", f"{PATH}?wait=false&after={before}").raw
            for secret in (b"10.0.0.1", b"host-1", b'"deploy"'):
                self.assertEqual(visible, secret in raw, (project, secret, raw))
            self.assertEqual(2, len(events_of(raw)))
