"""Outbox of the SQL store.

A database assigns row ids before transactions commit, and transactions commit in another order. A reader that remembered
the highest id would miss a row with a lower id that is committed later. On SQLite one transaction writes at a time, so the
order of the ids is the order of the commits. On a database server, a reader first assigns committed rows to batches. Under
a lock, it gives all rows without a batch the next batch number. So a row that is committed later has a higher batch number,
whatever its id is. This needs no clock and no guess of how long a transaction can take.
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

_BATCH_SIZE = 1000
"""Maximum number of events that one transaction adds to a batch or deletes."""
_INSERTED_COLUMNS = ("batch", "created_at", *EventDraft._fields)
_PROGRESS_ID = 1
"""Id of the only row in the progress table, which has the last batch number and the last deleted event."""


class SQLOutbox:
    """Implementation of the ``Outbox`` protocol for the SQL store, which writes events to it.

    The store must not call :meth:`write` unless the outbox is *enabled*.
    """

    def __init__(self, database: Database, schema: StoreSchema, clock: Clock, *, enabled: bool) -> None:
        self._database = database
        self._clock = clock
        self._events, self._progress = schema.events, schema.events_progress
        self.enabled = enabled
        self._insert = insert(self._events).inline().values({name: bindparam(name) for name in _INSERTED_COLUMNS})
        self._page = self._page_statement()
        self._unordered = select(self._events.c.id).where(self._events.c.batch.is_(None)).order_by(self._events.c.id)

    def write(self, connection: Connection, drafts: Sequence[EventDraft]) -> None:
        """Insert events with *connection*, in the transaction of the change that they describe."""
        # On SQLite all events are in one batch, because the ids alone give the order.
        batch, now = START.batch if self._database.is_sqlite else None, self._clock.now()
        rows = [dict(zip(_INSERTED_COLUMNS, (batch, now, *draft), strict=True)) for draft in drafts]
        self._database.compiled.run_each(connection, self._insert, rows)

    @retry_on_conflict
    def head(self) -> EventPosition:
        """Return the position of the last event."""
        while self._assign_batch():
            pass
        columns = self._events.c
        with self._database.reading() as connection:
            ordered = select(columns.batch, columns.id).where(columns.batch.is_not(None))
            last = connection.execute(ordered.order_by(columns.batch.desc(), columns.id.desc()).limit(1)).first()
            position = EventPosition(*last) if last is not None else self._last_deleted(connection)
        # After a power failure another event could get the number of one that was lost, and a client would miss it.
        self._database.flush()
        return position

    @retry_on_conflict
    def read(self, after: EventPosition, limit: int) -> Sequence[Event]:
        """Return the first *limit* events after a position. Raises ``EventsGone`` if events after it have been deleted."""
        self._assign_batch()
        with self._database.reading() as connection:
            rows = connection.execute(self._page, {"batch": after.batch, "number": after.number, "most": limit}).all()
            # Read after the page, not before it: the mark then covers all deletions that could have left events out of the page.
            if rows and after < self._last_deleted(connection):
                raise events_gone_error(after)
        # As in head(): a client must not know an event that a power failure can lose.
        self._database.flush()
        return [Event(EventPosition(batch, number), *rest) for batch, number, *rest in rows]

    @retry_on_conflict
    def check(self, cursor: EventPosition) -> None:
        """Raise ``EventsGone`` if events after *cursor* have been deleted, or if this store never assigned the position."""
        with self._database.reading() as connection:
            last_deleted = self._last_deleted(connection)
        if cursor < last_deleted:
            raise events_gone_error(cursor)
        if cursor > self.head():
            raise unknown_cursor_error(cursor)

    def prune(self, before: datetime) -> int:
        """Delete events written before *before*, and the oldest beyond ``MAX_EVENTS``. Return the number of deleted events."""
        count = 0
        while self._assign_batch():
            pass
        while deleted := self._prune_batch(before):
            count += deleted
        return count

    @retry_on_conflict
    def _prune_batch(self, before: datetime) -> int:
        columns = self._events.c
        ordered = select(columns.batch, columns.id, columns.created_at).where(columns.batch.is_not(None))
        with self._database.reading() as connection:
            newest_id = connection.execute(select(func.max(columns.id))).scalar() or 0
            rows = connection.execute(ordered.order_by(columns.batch, columns.id).limit(_BATCH_SIZE)).all()
        old = list(takewhile(lambda row: row.created_at < before or row.id <= newest_id - MAX_EVENTS, rows))
        if not old:
            return 0
        last = EventPosition(old[-1].batch, old[-1].id)
        with self._database.writing() as connection:
            # One transaction moves the mark and deletes the events, so no reader misses events without an error.
            # The condition keeps another process, which prunes at the same time, from moving the mark back.
            self._update_progress(connection, {"gone_batch": last.batch, "gone_number": last.number}, self._is_before(last))
            same_batch = and_(columns.batch == last.batch, columns.id <= last.number)
            return connection.execute(delete(self._events).where(or_(columns.batch < last.batch, same_batch))).rowcount

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register *callback*, to be called after each writing transaction of this process, in the thread that wrote.

        Return a function that ends the subscription.
        """
        return self._database.subscribe(callback)

    @retry_on_conflict
    def _assign_batch(self) -> bool:
        """Give committed events without a batch the next batch number. Do nothing on SQLite.

        Return whether more of such events may exist.
        """
        if self._database.is_sqlite:
            return False
        # Most reads find nothing to do; they take no lock.
        with self._database.reading() as connection:
            if connection.execute(self._unordered.limit(1)).first() is None:
                return False
        with self._database.writing() as connection:
            # The update locks the row of progress, so other processes wait here until this transaction ends.
            self._update_progress(connection, {"last_batch": self._progress.c.last_batch + 1})
            batch = connection.execute(select(self._progress.c.last_batch)).scalar_one()
            # Read without locks: a locking read would wait for transactions that are just inserting events.
            ids = connection.execute(self._unordered.limit(_BATCH_SIZE)).scalars().all()
            if ids:
                connection.execute(update(self._events).where(self._events.c.id.in_(ids)).values(batch=batch))
        return len(ids) == _BATCH_SIZE

    def _update_progress(self, connection: Connection, values: dict[str, Any], condition: Any = None) -> None:
        """Update the row of the progress table if it meets *condition*. Insert the row the first time."""
        statement = update(self._progress).where(self._progress.c.id == _PROGRESS_ID).values(values)
        if condition is not None:
            statement = statement.where(condition)
        if connection.execute(statement).rowcount > 0:
            return
        # No row was updated: either the row does not exist yet, or it does not meet the condition.
        row_id = connection.execute(select(self._progress.c.id).where(self._progress.c.id == _PROGRESS_ID)).first()
        if row_id is None:
            initial = {"last_batch": 0, "gone_batch": 0, "gone_number": 0}
            connection.execute(insert(self._progress), {"id": _PROGRESS_ID, **initial})
            self._update_progress(connection, values, condition)

    def _is_before(self, position: EventPosition) -> Any:
        columns = self._progress.c
        same_batch = and_(columns.gone_batch == position.batch, columns.gone_number < position.number)
        return or_(columns.gone_batch < position.batch, same_batch)

    def _last_deleted(self, connection: Connection) -> EventPosition:
        """Return the position of the last deleted event, or ``START`` if none was deleted."""
        columns = self._progress.c
        row = connection.execute(select(columns.gone_batch, columns.gone_number).where(columns.id == _PROGRESS_ID)).first()
        return START if row is None else EventPosition(*row)

    def _page_statement(self) -> Select[Any]:
        columns = self._events.c
        batch, number = bindparam("batch", type_=counter()), bindparam("number", type_=counter())
        is_after = or_(columns.batch > batch, and_(columns.batch == batch, columns.id > number))
        event_columns = (
            columns.batch, columns.id, columns.kind, columns.node_uuid, columns.owner, columns.lessee, columns.content
        )  # fmt: skip
        return select(*event_columns).where(is_after).order_by(columns.batch, columns.id).limit(bindparam("most"))
