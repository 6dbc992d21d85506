"""The outbox: what happened to nodes, written with the change itself and read in one order that nobody's cursor can skip in."""

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
"""What an event can be about."""
EVENT_NODE_COLUMNS = ("uuid", "name", "owner", "lessee")
"""What is asked of a node to tell of the end of its lease, or of its own."""
MAX_EVENTS = 500_000
"""Events that are kept, whatever their age; the oldest go first."""

_POSITION = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_STATE_FIELDS = frozenset({"provision_state", "target_provision_state", "maintenance", "fault"})
_POWER_FIELDS = frozenset({"power_state", "target_power_state"})
_STEP_FIELDS = frozenset({"run_attempt", "run_index", "run_steps"})
_TOLD = _STATE_FIELDS | _POWER_FIELDS | _STEP_FIELDS | {"last_error"}


class EventPosition(NamedTuple):
    """Where an event stands in the order of all; readers come back with the position of the last one that they saw."""

    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.batch}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventPosition:
        """The position that was written as *text*. Raises ``InvalidInput``."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise InvalidInput([Problem("cursor", "it is none of ours", "allowed is the id of an event, as it was sent")])
        return cls(int(found[1]), int(found[2]))


START = EventPosition(0, 0)
"""Before the first event of all."""


class Event(NamedTuple):
    """One event, and whose node it was about when it happened."""

    position: EventPosition
    kind: str
    node_uuid: str
    owner: str | None
    lessee: str | None
    content: str
    """A JSON object, as readers get it."""


class EventDraft(NamedTuple):
    """An event that is being written."""

    kind: str
    node_uuid: str
    owner: str | None
    lessee: str | None
    content: str


class Outbox(Protocol):
    """Events of nodes in the order in which readers get them: for one node that in which it was changed."""

    def head(self) -> EventPosition:
        """The position of the last event that there is now."""

    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """The events after a position, *limit* at most. Raises ``EventsGone`` where some of those are not kept any more.

        What was not given back will come later: no event gets a position before one that was read.
        """

    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` for a position after which events are gone, or which this store never gave out."""

    def prune(self, before: datetime) -> int:
        """Forget the events of an earlier time, and beyond :data:`MOST_EVENTS` the oldest; give back how many there were."""

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback*, which has to be quick, when this process may have written an event; the result ends that."""


def events_gone_error(cursor: EventPosition) -> EventsGone:
    """The events after a cursor are not all there any more."""
    return EventsGone(
        f"events after {cursor} are not kept any more: read the nodes again, and follow without a cursor", cursor=str(cursor)
    )


def unknown_cursor_error(cursor: EventPosition) -> EventsGone:
    """A cursor that lies in the future: the database is a copy of an earlier time, or another one."""
    return EventsGone(
        f"there is no event {cursor} yet: the cursor is of another database; read the nodes again, and follow without one",
        cursor=str(cursor),
    )


def draft_changes(changes: Collection[str], node: NodeRecord, at: datetime, released: bool = False) -> list[EventDraft]:
    """What is told of a write of the fields *changes*, which left *node* behind and, with *released*, gave its lease back."""
    drafts: list[EventDraft] = []
    if not _TOLD.isdisjoint(changes):
        drafts.extend(_drafted(node, kind, content, at) for kind, content in _contents(changes, node))
    return [*drafts, draft_lease(node, at)] if released else drafts


def draft_creation(node: NodeRecord, at: datetime) -> list[EventDraft]:
    """What is told of a new node."""
    return [_drafted(node, STATE, _state(node), at)]


def draft_deletion(told: Sequence[Any], at: datetime) -> EventDraft:
    """What is told of a node that was deleted; *told* is what :data:`TELLING` names."""
    node = NodeRecord(**dict(zip(EVENT_NODE_COLUMNS, told, strict=True)))
    return _drafted(node, STATE, {**_state(node), "provision_state": None, "deleted": True}, at)


def draft_lease(node: NodeRecord, at: datetime) -> EventDraft:
    """What is told of a lease that was taken or, where *node* has none, given back."""
    holder = None if node.lease_holder is None else node.lease_holder.partition("/")[0]
    return _drafted(node, LEASE, {"reservation": holder, "purpose": node.lease_purpose}, at)


def draft_release(told: Sequence[Any], at: datetime) -> EventDraft:
    """What is told of a lease that was given back, or ended with its holder; *told* is what :data:`TELLING` names."""
    return draft_lease(NodeRecord(**dict(zip(EVENT_NODE_COLUMNS, told, strict=True))), at)


def _contents(changes: Collection[str], node: NodeRecord) -> list[tuple[str, dict[str, Any]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    step = _step(changes, node)
    if step is not None:
        told.append((STEP, step))
    if not _POWER_FIELDS.isdisjoint(changes):
        power = {"power_state": node.power_state, "target_power_state": node.target_power_state}
        told.append((POWER, {**power, "source": node.power_source, "last_error": node.last_error}))
    if not _STATE_FIELDS.isdisjoint(changes) or ("last_error" in changes and not told):
        told.append((STATE, _state(node)))
    return told


def _state(node: NodeRecord) -> dict[str, Any]:
    fields = ("provision_state", "target_provision_state", "maintenance", "fault", "last_error")
    return {field: getattr(node, field) for field in fields}


def _step(changes: Collection[str], node: NodeRecord) -> dict[str, Any] | None:
    """How a run got on: a step began (its attempt was counted), waits, or was done (the index went on)."""
    index, steps = node.run_index, node.run_steps
    if node.run_id is None or index is None:
        return None
    if "run_id" in changes or _STEP_FIELDS.isdisjoint(changes):
        return None  # a run that is only made has begun nothing
    if node.run_attempt > 0:
        waits = "run_steps" in changes and _began_to_wait(steps[index : index + 1])
        how = "started" if "run_attempt" in changes else "waiting" if waits else None
    else:
        index, how = index - 1, "finished" if "run_index" in changes else None
    if how is None or not 0 <= index < len(steps):
        return None
    entry: Mapping[str, Any] = steps[index]
    shown = {name: entry.get(name) for name in ("phase", "interface", "step")}
    return {**shown, "status": how, "number": index + 1, "of": len(steps), "attempt": node.run_attempt or None}


def _began_to_wait(current: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a step waits that did not wait before: that it does so still is no news, at whichever look."""
    return all(entry.get("looks", 1) == 1 for entry in current)


def _drafted(node: NodeRecord, kind: str, content: Mapping[str, Any], at: datetime) -> EventDraft:
    told = {"node": node.uuid, "name": node.name, "at": at.isoformat(timespec="milliseconds"), **content}
    return EventDraft(kind, node.uuid, node.owner, node.lessee, orjson.dumps(told).decode())
