"""The outbox in an SQL database.

Numbers of rows are allotted before transactions commit, and these end in another order. On SQLite one transaction writes at a
time, so there the number is the order. Elsewhere rows that have been committed are put in order afterwards, when somebody reads:
a batch of them at a time gets the next number of a batch, under a lock. So a later commit is in a later batch, whatever the
number of its row, and no clock and no guess at how long a transaction can take is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, or_, select, update

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
from baremetal_sdk.store.sql.column_types import counter
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.failures import retry_on_conflict
from baremetal_sdk.store.sql.schema import StoreSchema

_AT_ONCE = 1000
"""Events that are put in order, or deleted, in one transaction."""
_WRITTEN = ("batch", "created_at", *EventDraft._fields)
_ONLY = 1
"""The id of the row that tells how far it is."""


class SQLOutbox:
    """The ``Outbox`` protocol in an SQL database, and its writing side; where it is not *enabled*, nothing is written."""

    def __init__(self, database: Database, schema: StoreSchema, clock: Clock, *, enabled: bool) -> None:
        self._database = database
        self._clock = clock
        self._events, self._progress = schema.events, schema.events_progress
        self.enabled = enabled
        self._insertion = insert(self._events).inline().values({name: bindparam(name) for name in _WRITTEN})
        self._page = self._page_statement()
        self._unordered = select(self._events.c.id).where(self._events.c.batch.is_(None)).order_by(self._events.c.id)

    def write(self, connection: Connection, drafts: Sequence[EventDraft]) -> None:
        """Write events in the transaction of what they tell."""
        batch, now = START.batch if self._database.is_sqlite else None, self._clock.now()
        told = [dict(zip(_WRITTEN, (batch, now, *draft), strict=True)) for draft in drafts]
        self._database.compiled.run_each(connection, self._insertion, told)

    @retry_on_conflict
    def head(self) -> EventPosition:
        """The position of the last event."""
        while self._put_in_order():
            pass
        columns = self._events.c
        with self._database.reading() as connection:
            last = select(columns.batch, columns.id).where(columns.batch.is_not(None))
            found = connection.execute(last.order_by(columns.batch.desc(), columns.id.desc()).limit(1)).first()
            return EventPosition(*found) if found is not None else self._gone(connection)

    @retry_on_conflict
    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """The events after a position."""
        self._put_in_order()
        with self._database.reading() as connection:
            rows = connection.execute(self._page, {"batch": after.batch, "number": after.number, "most": limit}).all()
            # Asked afterwards: what went in between was not in the page, and is known by now.
            if rows and after < self._gone(connection):
                raise events_gone_error(after)
        return [Event(EventPosition(batch, number), *rest) for batch, number, *rest in rows]

    @retry_on_conflict
    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` for a cursor that nothing can be read after."""
        with self._database.reading() as connection:
            oldest = self._gone(connection)
        if cursor < oldest:
            raise events_gone_error(cursor)
        if cursor > self.head():
            raise unknown_cursor_error(cursor)

    def prune(self, before: datetime) -> int:
        """Forget what is older, or too much."""
        count = 0
        while self._put_in_order():
            pass
        while some := self._prune_some(before):
            count += some
        return count

    @retry_on_conflict
    def _prune_some(self, before: datetime) -> int:
        columns = self._events.c
        ordered = select(columns.batch, columns.id, columns.created_at).where(columns.batch.is_not(None))
        with self._database.reading() as connection:
            newest = connection.execute(select(func.max(columns.id))).scalar() or 0
            rows = connection.execute(ordered.order_by(columns.batch, columns.id).limit(_AT_ONCE)).all()
        old = list(takewhile(lambda row: row.created_at < before or row.id <= newest - MAX_EVENTS, rows))
        if not old:
            return 0
        last = EventPosition(old[-1].batch, old[-1].id)
        with self._database.writing() as connection:
            # First who knows of it, then what it is about: a reader never sees the one without the other.
            self._advance(connection, {"gone_batch": last.batch, "gone_number": last.number}, self._is_before(last))
            through = and_(columns.batch == last.batch, columns.id <= last.number)
            return connection.execute(delete(self._events).where(or_(columns.batch < last.batch, through))).rowcount

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call *callback* after each transaction that wrote."""
        return self._database.subscribe(callback)

    @retry_on_conflict
    def _put_in_order(self) -> bool:
        """Give events that were committed their batch; whether there may be more of them."""
        if self._database.is_sqlite:
            return False
        with self._database.reading() as connection:
            if connection.execute(self._unordered.limit(1)).first() is None:
                return False
        with self._database.writing() as connection:
            # From here on no other process does the same, until this transaction ends.
            self._advance(connection, {"last_batch": self._progress.c.last_batch + 1})
            batch = connection.execute(select(self._progress.c.last_batch)).scalar_one()
            # Read without a lock: one on rows that are just being written would wait for their transactions.
            ids = connection.execute(self._unordered.limit(_AT_ONCE)).scalars().all()
            if ids:
                connection.execute(update(self._events).where(self._events.c.id.in_(ids)).values(batch=batch))
        return len(ids) == _AT_ONCE

    def _advance(self, connection: Connection, values: dict[str, Any], condition: Any = None) -> None:
        """Write how far it is; at the first time of all there is no row."""
        changed = update(self._progress).where(self._progress.c.id == _ONLY).values(values)
        if connection.execute(changed if condition is None else changed.where(condition)).rowcount == 0:
            record_kind = select(self._progress.c.id).where(self._progress.c.id == _ONLY)
            if connection.execute(record_kind).first() is None:
                first = {"last_batch": 0, "gone_batch": 0, "gone_number": 0}
                connection.execute(insert(self._progress), {"id": _ONLY, **first})
                self._advance(connection, values, condition)

    def _is_before(self, position: EventPosition) -> Any:
        columns = self._progress.c
        within = and_(columns.gone_batch == position.batch, columns.gone_number < position.number)
        return or_(columns.gone_batch < position.batch, within)

    def _gone(self, connection: Connection) -> EventPosition:
        """The last position that was forgotten."""
        columns = self._progress.c
        row = connection.execute(select(columns.gone_batch, columns.gone_number).where(columns.id == _ONLY)).first()
        return START if row is None else EventPosition(*row)

    def _page_statement(self) -> Select[Any]:
        columns = self._events.c
        batch, number = bindparam("batch", type_=counter()), bindparam("number", type_=counter())
        beyond = or_(columns.batch > batch, and_(columns.batch == batch, columns.id > number))
        shown = (columns.batch, columns.id, columns.kind, columns.node_uuid, columns.owner, columns.lessee, columns.content)
        return select(*shown).where(beyond).order_by(columns.batch, columns.id).limit(bindparam("most"))
