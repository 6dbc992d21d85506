"""Sealing of the secrets in all rows: in rows that an earlier release has written, and after a change of the key.

Each batch of rows is a separate transaction. An interrupted sealing begins again and finds fewer rows to seal.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, Text, or_, select, type_coerce, update

from baremetal_interfaces.secret_fields import mask_urls
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.fields import NODE_FIELDS, PORT_FIELDS, Field, RecordFields
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.sealed_columns import MARK, SealedColumns, find_sealed, has_columns_with_secrets
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.schema import StoreSchema

LOG = get_logger(__name__)
BATCH_SIZE = 200
"""Number of rows that one transaction reads and writes."""
_LOG_TIMEOUT_S, _RETRY_INTERVAL_S = 30.0, 0.1

Values = Mapping[str, str]
"""New values of columns by name."""
Change = Callable[[Table, str, str], str]
"""Function that returns the new value of a table's column for its present value."""


class RowSealing:
    """Seals the secrets in the rows of all tables of *schema* with the box of *sealed*."""

    def __init__(self, database: Database, schema: StoreSchema, sealed: SealedColumns) -> None:
        self._database = database
        self._schema = schema
        self._sealed = sealed
        self._fields: dict[str, RecordFields[Any]] = {
            schema.nodes.name: NODE_FIELDS,
            schema.ports.name: PORT_FIELDS,
            **{table.name: RECORD_KINDS[kind].fields for kind, table in schema.of_kind.items()},
        }

    def seal_all(self) -> int:
        """Seal the secrets that are in clear, in all rows, and remove older copies of the rows. Return the number of rows."""
        changed = {table.name: self._change_rows(table, self._list_columns(table), self._seal) for table in self._tables()}
        events = self._schema.events
        changed[events.name] = self._change_rows(events, ("content",), lambda table, name, value: mask_urls(value))
        _erase_old_copies(self._database, [name for name, count in changed.items() if count])
        count = sum(changed.values())
        if count:
            LOG.info("the secrets in %d rows of the database were encrypted", count)
        return count

    def renew_all(self) -> int:
        """Seal again, with the first key, all secrets in columns that another key has sealed. Return the number of rows."""
        return sum(self._change_rows(table, self._list_columns(table), self._renew) for table in self._tables())

    def count_rows(self, is_counted: Callable[[bytes], bool]) -> Mapping[str, int]:
        """Return the number of rows, by the kind of record, with a sealed secret for which *is_counted* returns True."""
        counts: Counter[str] = Counter()
        for table in self._tables():
            columns = [table.c[name] for name in self._list_columns(table)]
            if not columns:
                continue
            marked = select(*columns).where(or_(*(type_coerce(column, Text).contains(MARK) for column in columns)))
            with self._database.reading() as connection:
                for row in connection.execute(marked):
                    secrets = (sealed for value in row if isinstance(value, str) for sealed in find_sealed(value))
                    counts[self._fields[table.name].label] += any(map(is_counted, secrets))
        return {label: count for label, count in counts.items() if count}

    def _tables(self) -> Sequence[Table]:
        return [self._schema.metadata.tables[name] for name in self._fields]

    def _list_columns(self, table: Table) -> Sequence[str]:
        return [field.name for field in self._fields[table.name].by_name.values() if has_columns_with_secrets(field)]

    def _seal(self, table: Table, name: str, value: str) -> str:
        fields = self._fields[table.name]
        field: Field = fields.by_name[name]
        return self._sealed.seal_stored(fields, field, value)

    def _renew(self, table: Table, name: str, value: str) -> str:
        if MARK not in value:
            return value
        return self._sealed.renew(value, f"{self._fields[table.name].label}/{name}")

    def _change_rows(self, table: Table, names: Sequence[str], change: Change) -> int:
        """Write the result of *change* to the columns *names* of all rows where it differs, and return the number of rows."""
        columns = [table.c[name] for name in names]
        if not columns:
            return 0
        count, last = 0, 0
        while True:
            page = select(table.c.id, *columns).where(table.c.id > last).order_by(table.c.id).limit(BATCH_SIZE)
            with self._database.reading() as connection:
                rows = connection.execute(page).all()
            if not rows:
                return count
            last = rows[-1][0]
            # Computed outside of the transaction, which blocks other writers on SQLite.
            changes = {row[0]: new for row in rows if (new := _compute_changes(table, names, row[1:], change))}
            if changes:
                before = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
                with self._database.writing() as connection:
                    for ident, values in changes.items():
                        count += self._write(connection, table, ident, before[ident], values, change)

    def _write(
        self,
        connection: Connection,
        table: Table,
        ident: int,
        before: Mapping[str, Any],
        values: Values,
        change: Change,
    ) -> int:
        """Write *values* to the row *ident* if it still has the values *before*. If not, read it again."""
        read = select(*(table.c[name] for name in before)).where(table.c.id == ident).with_for_update()
        while values:
            unchanged = [table.c[name] == before[name] for name in values]
            if connection.execute(update(table).where(table.c.id == ident, *unchanged).values(values)).rowcount:
                return 1
            row = connection.execute(read).first()
            if row is None:
                return 0
            before = dict(row._mapping)
            values = _compute_changes(table, list(before), list(before.values()), change)
        return 0


def _compute_changes(table: Table, names: Sequence[str], values: Sequence[Any], change: Change) -> dict[str, str]:
    pairs = ((name, value, change(table, name, value)) for name, value in zip(names, values, strict=True) if value)
    return {name: new for name, value, new in pairs if new != value}


def _erase_old_copies(database: Database, tables: Sequence[str]) -> None:
    """Rewrite the tables, so that the files of the database do not contain the rows as they were before."""
    with database.reading() as connection:
        name = connection.dialect.name
        if name == "sqlite":
            # Also without changed rows: free pages can contain rows that were deleted or changed long ago.
            connection.exec_driver_sql("VACUUM")
            _empty_log(connection)
            return
        for table in tables:
            statement = f"VACUUM FULL {table}" if name == "postgresql" else f"OPTIMIZE TABLE {table}"
            connection.exec_driver_sql(statement).close()


def _empty_log(connection: Connection) -> None:
    """Empty the write-ahead log of SQLite. Other processes that use the database delay this."""
    give_up_at = time.monotonic() + _LOG_TIMEOUT_S
    while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
        if time.monotonic() > give_up_at:
            LOG.warning(
                "the write-ahead log of the database can contain secrets in clear, because another process uses it; "
                "SQLite deletes the log when all processes have closed the database"
            )
            return
        time.sleep(_RETRY_INTERVAL_S)
