"""Types and rules of the outbox, the table of events about nodes that all stores share.

The store writes an event in the transaction of the change. Readers get events in one order.

A reader remembers the position of its last event. No event ever appears at an earlier position, so no reader misses one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import orjson

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.errors import EventsGone
from baremetal_sdk.store.records.node import NodeRecord

STATE, POWER, STEP, LEASE = "state", "power", "step", "lease"
EVENT_KINDS = (STATE, POWER, STEP, LEASE)
"""Kinds of events about nodes: change of state, of power, of a step, and of the lease."""
EVENT_NODE_COLUMNS = ("uuid", "name", "owner", "lessee")
"""Columns of a node that the store reads to write the event of its deletion or of the end of its lease."""
MAX_EVENTS = 500_000
"""Maximum number of events that the outbox keeps. Older events are deleted at any age."""

_POSITION = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_STATE_FIELDS = frozenset({"provision_state", "target_provision_state", "maintenance", "fault"})
_POWER_FIELDS = frozenset({"power_state", "target_power_state"})
_STEP_FIELDS = frozenset({"run_attempt", "run_index", "run_steps"})
_EVENT_FIELDS = _STATE_FIELDS | _POWER_FIELDS | _STEP_FIELDS | {"last_error"}
"""Fields of a node whose change can cause an event."""


class EventPosition(NamedTuple):
    """Position of an event in the order of all events. Readers pass the position of the last event that they got."""

    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.batch}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventPosition:
        """Return the position for its text form, which readers get as the event's id. Raises ``InvalidInput`` for other texts."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise InvalidInput(
                [Problem("cursor", "it is not the id of an event", "allowed is the id of the last event that you received")]
            )
        return cls(int(match[1]), int(match[2]))


START = EventPosition(0, 0)
"""Position before the first event, for readers that want all events."""


class Event(NamedTuple):
    """An event in the outbox, with the owner and the lessee of the node at that time."""

    position: EventPosition
    kind: str
    node_uuid: str
    owner: str | None
    lessee: str | None
    content: str
    """JSON object that readers receive."""


class EventDraft(NamedTuple):
    """An event that is not written yet, so it has no position."""

    kind: str
    node_uuid: str
    owner: str | None
    lessee: str | None
    content: str


class Outbox(Protocol):
    """Protocol of the events about nodes in a store. All readers see the same order. Thread-safe.

    The events of one node are in the order of its changes.
    """

    def head(self) -> EventPosition:
        """Return the position of the last event: from there, a reader gets only new events."""

    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """Return the first *limit* events after the position *after*, in their order.

        Events that are written later get later positions than all events that were read.
        Raises ``EventsGone`` if some of the events after *after* have been deleted.
        """

    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` if a reader cannot continue after *cursor*.

        Either events after it have been deleted, or this store never assigned the position.
        """

    def prune(self, before: datetime) -> int:
        """Delete events written before the time *before*, and the oldest ones if there are more than :data:`MAX_EVENTS`.

        Return the number of deleted events.
        """

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register *callback*, to be called after each write of this process that may have added events.

        The callback runs in the thread that wrote, so it has to be quick. Return a function that ends the subscription.
        """


def events_gone_error(cursor: EventPosition) -> EventsGone:
    """Return the error for a reader whose cursor is too old: events after it have been deleted."""
    return EventsGone(
        f"events after {cursor} are not kept any more: read the nodes again, and follow without a cursor", cursor=str(cursor)
    )


def unknown_cursor_error(cursor: EventPosition) -> EventsGone:
    """Return the error for a cursor after the last event.

    The cursor is from another database, or from this one before it was restored from a backup.
    """
    return EventsGone(
        f"there is no event {cursor} yet: the cursor is of another database; read the nodes again, and follow without a cursor",
        cursor=str(cursor),
    )


def draft_changes(changes: Collection[str], node: NodeRecord, at: datetime, released: bool = False) -> list[EventDraft]:
    """Return the events of a write to a node at the time *at*. Empty if the write is of no interest to clients.

    *changes* are the names of the written fields, and *node* is the node after the write. *released* is True if the write
    also released the lease, which adds an event.
    """
    drafts: list[EventDraft] = []
    if not _EVENT_FIELDS.isdisjoint(changes):
        drafts.extend(_draft(node, kind, content, at) for kind, content in _event_contents(changes, node))
    if released:
        # Last: a reader that sees the lease released has seen the outcome of the task before.
        drafts.append(draft_lease(node, at))
    return drafts


def draft_creation(node: NodeRecord, at: datetime) -> list[EventDraft]:
    """Return the events of the creation of *node* at the time *at*."""
    return [_draft(node, STATE, _state_content(node), at)]


def draft_deletion(row: Sequence[Any], at: datetime) -> EventDraft:
    """Return the event of a node's deletion at the time *at*. *row* has the columns :data:`EVENT_NODE_COLUMNS`."""
    node = _partial_node(row)
    return _draft(node, STATE, {**_state_content(node), "provision_state": None, "deleted": True}, at)


def draft_lease(node: NodeRecord, at: datetime) -> EventDraft:
    """Return the event that the lease of *node* was taken or, if *node* has no holder, that its lease has ended."""
    # A holder is "conductor/incarnation"; clients know conductors by host name.
    holder = None if node.lease_holder is None else node.lease_holder.partition("/")[0]
    return _draft(node, LEASE, {"reservation": holder, "purpose": node.lease_purpose}, at)


def draft_release(row: Sequence[Any], at: datetime) -> EventDraft:
    """Return the event that a node's lease ended at the time *at*. *row* has the columns :data:`EVENT_NODE_COLUMNS`."""
    return draft_lease(_partial_node(row), at)


def _partial_node(row: Sequence[Any]) -> NodeRecord:
    return NodeRecord(**dict(zip(EVENT_NODE_COLUMNS, row, strict=True)))


def _event_contents(changes: Collection[str], node: NodeRecord) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and content of each event that a write of the fields *changes* causes. *node* is the node after it."""
    contents: list[tuple[str, dict[str, Any]]] = []
    step = _step_content(changes, node)
    if step is not None:
        contents.append((STEP, step))
    if not _POWER_FIELDS.isdisjoint(changes):
        power = {"power_state": node.power_state, "target_power_state": node.target_power_state}
        contents.append((POWER, {**power, "source": node.power_source, "last_error": node.last_error}))
    # A new error without another event is still news to clients.
    if not _STATE_FIELDS.isdisjoint(changes) or ("last_error" in changes and not contents):
        contents.append((STATE, _state_content(node)))
    return contents


def _state_content(node: NodeRecord) -> dict[str, Any]:
    fields = ("provision_state", "target_provision_state", "maintenance", "fault", "last_error")
    return {field: getattr(node, field) for field in fields}


def _step_content(changes: Collection[str], node: NodeRecord) -> dict[str, Any] | None:
    """Return the content of the event that a step started, began to wait, or finished. None if the write shows no such event.

    A step starts when its attempt is counted, and finishes when the index moves to the next step.
    """
    index, steps = node.run_index, node.run_steps
    if node.run_id is None or index is None:
        return None
    if "run_id" in changes or _STEP_FIELDS.isdisjoint(changes):
        return None  # A run that was just created has not started a step.
    status = None
    if node.run_attempt > 0:
        if "run_attempt" in changes:
            status = "started"
        elif "run_steps" in changes and _has_begun_to_wait(steps[index : index + 1]):
            status = "waiting"
    else:
        # The finished step is the one before the index.
        index -= 1
        if "run_index" in changes:
            status = "finished"
    if status is None or not 0 <= index < len(steps):
        return None
    entry: Mapping[str, Any] = steps[index]
    names = {name: entry.get(name) for name in ("phase", "interface", "step")}
    return {**names, "status": status, "number": index + 1, "of": len(steps), "attempt": node.run_attempt or None}


def _has_begun_to_wait(current: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the current step has answered only once that it waits, so its wait has just begun.

    *current* is a list of the current step's stored entry, or empty.
    """
    return all(entry.get("looks", 1) == 1 for entry in current)


def _draft(node: NodeRecord, kind: str, content: Mapping[str, Any], at: datetime) -> EventDraft:
    event = {"node": node.uuid, "name": node.name, "at": at.isoformat(timespec="milliseconds"), **content}
    return EventDraft(kind, node.uuid, node.owner, node.lessee, orjson.dumps(event).decode())
