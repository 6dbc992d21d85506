"""Rules of the outbox for all stores."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from baremetal_interfaces import Deadline
from baremetal_sdk.errors import EventsGone, LeaseLost
from baremetal_sdk.store import Fence
from baremetal_sdk.store.outbox import START, EventPosition, draft_creation
from baremetal_sdk.store.records.node import NodeRecord, NodeUpdate
from tests.fixtures.stores import HOLDER, StoreBehaviour, new_uuid


class EventBehaviour(StoreBehaviour):
    """Events are written with the change, read by cursor, and deleted after their retention time."""

    def events_after(self: Any, after: EventPosition) -> list[tuple[str, dict[str, Any]]]:
        """Return kind and content of the events after a position."""
        return [(event.kind, json.loads(event.content)) for event in self.store.outbox.read(after, 1000)]

    def test_each_change_of_a_node_causes_an_event(self: Any) -> None:
        """Creation, lease, state, power, release with the last write, and deletion cause events in that order."""
        began = self.store.outbox.head()
        node = self.node(name="a", owner="p", lessee="q")
        fence = self.lease(node).fence
        self.store.update_node(node.uuid, {"provision_state": "cleaning"}, fence=fence)
        self.store.update_node(node.uuid, {"power_state": "power on", "extra": {"a": 1}}, fence=fence)
        self.store.update_node(node.uuid, {"extra": {}}, fence=fence)
        self.store.update_node(node.uuid, {"provision_state": "available"}, fence=fence, release=True)
        self.store.delete_node(node.uuid, fence=None)
        told = self.events_after(began)
        self.assertEqual(["state", "lease", "state", "power", "state", "lease", "state"], [kind for kind, _ in told])
        self.assertEqual({(node.uuid, "a")}, {(content["node"], content["name"]) for _, content in told})
        contents = [content for _, content in told]
        self.assertEqual(["enroll", "cleaning", "available", None], [contents[at]["provision_state"] for at in (0, 2, 4, 6)])
        self.assertEqual(
            [(HOLDER.partition("/")[0], "deploy"), (None, None)],
            [(contents[at]["reservation"], contents[at]["purpose"]) for at in (1, 5)],
        )
        self.assertEqual("power on", contents[3]["power_state"])
        self.assertTrue(contents[6]["deleted"])
        self.assertEqual({("p", "q")}, {(event.owner, event.lessee) for event in self.store.outbox.read(began, 10)})

    def test_steps_of_a_run_cause_events(self: Any) -> None:
        """A step's start, wait and end cause events, which do not contain the step's arguments."""
        node = self.node()
        step = {"interface": "deploy", "step": "write", "phase": "deploy", "args": {"password": "tiger"}}
        fence = self.lease(node).fence
        self.store.update_node(node.uuid, {"run_id": node.uuid, "run_steps": (step, step), "run_index": 0}, fence=fence)
        began = self.store.outbox.head()
        for changes in (
            {"run_attempt": 1, "deploy_step": {"step": "write"}},
            {"run_steps": ({**step, "wait": {}}, step)},
            {"run_index": 1, "run_attempt": 0},
            {"run_id": None, "run_steps": (), "run_index": None, "run_attempt": 0},
        ):
            self.store.update_node(node.uuid, changes, fence=fence)
        told = self.events_after(began)
        self.assertEqual(
            [("step", "started"), ("step", "waiting"), ("step", "finished")],
            [(kind, content["status"]) for kind, content in told],
        )
        first = told[0][1]
        self.assertEqual(
            ("deploy", "deploy", "write", 1, 2, 1),
            tuple(first[name] for name in ("phase", "interface", "step", "number", "of", "attempt")),
        )
        self.assertNotIn("tiger", str(told))

    def test_bulk_writes_and_expired_leases_cause_events(self: Any) -> None:
        """A bulk update causes events for written nodes only, and the end of a dead holder's leases one event for each lease."""
        first, second = self.node(), self.node()
        began = self.store.outbox.head()
        updates = [NodeUpdate(node.uuid, revision, {"power_state": "power on"}) for node, revision in ((first, 0), (second, 7))]
        self.store.update_nodes(updates)
        self.assertEqual([first.uuid], [content["node"] for _, content in self.events_after(began)])
        for node in (first, second):
            self.lease(node)
        began = self.store.outbox.head()
        self.assertEqual(2, self.store.expire_leases(HOLDER))
        released = {(kind, content["node"]) for kind, content in self.events_after(began)}
        self.assertEqual({("lease", first.uuid), ("lease", second.uuid)}, released)

    def test_refused_writes_cause_no_event(self: Any) -> None:
        """A rejected write and the release of a lost lease cause no event."""
        node = self.node()
        self.store.release_lease(self.lease(node).fence)
        began = self.store.outbox.head()
        lost = Fence(node.uuid, HOLDER, 1)
        self.assertRaises(LeaseLost, self.store.update_node, node.uuid, {"provision_state": "active"}, fence=lost)
        self.store.release_lease(lost)
        self.assertEqual([], self.events_after(began))

    def test_reading_continues_at_the_cursor(self: Any) -> None:
        """Pages join without gaps and duplicates, and a cursor can be stored as text."""
        began = self.store.outbox.head()
        nodes = [self.node().uuid for _ in range(7)]
        seen, cursor = [], began
        while page := self.store.outbox.read(cursor, 3):
            seen += [event.node_uuid for event in page]
            cursor = EventPosition.parse(str(page[-1].position))
        self.assertEqual(nodes, seen)
        self.assertEqual(cursor, self.store.outbox.head())
        self.store.outbox.check(cursor)
        self.store.outbox.check(began)

    def test_old_events_are_pruned(self: Any) -> None:
        """Pruned events are gone, a cursor before them is rejected, and positions are not assigned again."""
        self.node()
        early = self.store.outbox.head()
        self.node()
        last = self.store.outbox.head()
        self.clock.advance(100)
        self.assertEqual(2, self.store.outbox.prune(self.clock.now() - timedelta(seconds=50)))
        self.assertEqual(0, self.store.outbox.prune(self.clock.now() - timedelta(seconds=50)))
        self.assertRaises(EventsGone, self.store.outbox.check, early)
        self.store.outbox.check(last)
        self.assertEqual(last, self.store.outbox.head())
        self.assertEqual([], self.events_after(last))
        self.node()
        self.assertEqual(1, len(self.events_after(last)))
        self.assertRaises(EventsGone, self.store.outbox.read, early, 10)

    def test_a_cursor_of_another_store_is_refused(self: Any) -> None:
        """A position that this store never assigned is rejected."""
        self.node()
        head = self.store.outbox.head()
        self.assertRaises(EventsGone, self.store.outbox.check, EventPosition(head.batch + 1, head.number + 1))
        self.store.outbox.check(head)
        self.store.outbox.check(START)

    def test_subscribers_are_called_after_the_write(self: Any) -> None:
        """A subscriber is called when an event of this process can be read, until the subscription ends."""
        seen: list[int] = []
        began = self.store.outbox.head()
        end = self.store.outbox.subscribe(lambda: seen.append(1))
        self.node()
        end()
        self.node()
        self.assertEqual([1], seen)
        self.assertEqual(2, len(self.events_after(began)))

    def test_no_lock_is_held_while_subscribers_are_called(self: Any) -> None:
        """A slow subscriber delays no other user of the store."""
        ended: list[bool] = []

        def use_store() -> None:
            thread = threading.Thread(target=self.store.shards, daemon=True)
            thread.start()
            thread.join(10.0)
            ended.append(not thread.is_alive())

        self.addCleanup(self.store.outbox.subscribe(use_store))
        self.node()
        self.assertEqual([True], ended)


class ConcurrentEventBehaviour(EventBehaviour):
    """Rules of the outbox for database servers, where transactions overlap."""

    def test_late_commits_are_not_missed(self: Any) -> None:
        """A reader between two commits misses no event when the row with the higher id is committed first."""
        first, second = (
            draft_creation(NodeRecord(new_uuid()), self.clock.now()),
            draft_creation(NodeRecord(new_uuid()), self.clock.now()),
        )
        began = self.store.outbox.head()
        with self.store.database.writing() as early:
            self.store.outbox.write(early, first)
            with self.store.database.writing() as late:
                self.store.outbox.write(late, second)
            [seen] = self.store.outbox.read(began, 10)
            self.assertEqual(second[0].node_uuid, seen.node_uuid)
            self.assertEqual(seen.position, self.store.outbox.head())
        [after] = self.store.outbox.read(seen.position, 10)
        self.assertEqual(first[0].node_uuid, after.node_uuid)

    def test_concurrent_readers_get_all_events_in_one_order(self: Any) -> None:
        """Readers in several stores get each event of concurrent writers once and in the same order."""
        stores = [self.store, self.another_store(), self.another_store()]
        began, count, writers = self.store.outbox.head(), 40, 6
        seen: list[list[Any]] = [[] for _ in stores]

        def write(number: int) -> None:
            for turn in range(count):
                drafts = draft_creation(NodeRecord(new_uuid(), name=f"{number}-{turn}"), self.clock.now())
                with stores[number % 3].database.writing() as connection:
                    stores[number % 3].outbox.write(connection, drafts)
                    connection.execute(text(f"SELECT {number}"))

        def read(store: Any, into: list[Any]) -> None:
            cursor, deadline = began, Deadline.after(60)
            while len(into) < count * writers:
                deadline.check("all events")
                into += store.outbox.read(cursor, 7)
                cursor = into[-1].position if into else began

        with ThreadPoolExecutor(writers + len(stores)) as threads:
            ends = [threads.submit(write, number) for number in range(writers)]
            ends += [threads.submit(read, store, into) for store, into in zip(stores, seen, strict=True)]
            for end in ends:
                end.result()
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])
        names = [json.loads(event.content)["name"] for event in seen[0]]
        self.assertEqual(count * writers, len(set(names)))
        for number in range(writers):
            own = [name for name in names if name.startswith(f"{number}-")]
            self.assertEqual([f"{number}-{turn}" for turn in range(count)], own)
