"""Table of the store in memory: keeps records by UUID, checks unique keys, and returns pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any, Generic, TypeVar

from baremetal_sdk.store.records.fields import RecordFields, StoredRecord
from baremetal_sdk.store.records.query import Query, Row
from baremetal_sdk.store.refusals import UNIQUE_KEYS, UniqueKey, duplicate_error, limit_error, marker_not_found_error

R = TypeVar("R")
Predicate = Callable[[StoredRecord], bool]


class MemoryTable(Generic[R]):
    """Table of the stored records of one kind. Not thread-safe: callers must hold the store's lock."""

    def __init__(self, fields: RecordFields[R]) -> None:
        self._fields = fields
        self._rows: dict[str, StoredRecord] = {}
        self._order: dict[str, int] = {}
        self._ids = count(1)
        self._unique: dict[UniqueKey, dict[tuple[Any, ...], str]] = {key: {} for key in UNIQUE_KEYS[fields.label]}

    def get(self, uuid: str) -> StoredRecord | None:
        """Return the stored record with this UUID, or None."""
        return self._rows.get(uuid)

    def find(self, field: str, value: str) -> StoredRecord | None:
        """Return the stored record with *value* in the unique field *field*, or None."""
        uuid = self._unique[(field,)].get((value,))
        return None if uuid is None else self._rows[uuid]

    def find_all(self, field: str, value: Any) -> list[StoredRecord]:
        """Return all stored records with *value* in *field*, in the order of creation."""
        return [row for row in self._rows.values() if row[field] == value]

    def insert(self, stored: StoredRecord) -> None:
        """Add a stored record. Raises ``DuplicateName`` or a similar error if a unique value belongs to another record."""
        uuid = stored["uuid"]
        self._check_unique(uuid, stored, new=True)
        self._rows[uuid] = stored
        self._order[uuid] = next(self._ids)
        self._index(uuid, stored)

    def replace(self, stored: StoredRecord) -> None:
        """Replace the stored record with the same UUID. Raises as :meth:`insert`."""
        uuid = stored["uuid"]
        self._check_unique(uuid, stored, new=False)
        self._unindex(uuid)
        self._rows[uuid] = stored
        self._index(uuid, stored)

    def delete(self, uuid: str) -> None:
        """Remove the stored record with this UUID, which must exist."""
        self._unindex(uuid)
        del self._rows[uuid], self._order[uuid]

    def _check_unique(self, uuid: str, stored: StoredRecord, *, new: bool) -> None:
        for key, uuids in self._unique.items():
            owner = uuids.get(_values(stored, key))
            if owner is not None and (new or owner != uuid):
                raise duplicate_error(self._fields.label, key, stored)

    def _index(self, uuid: str, stored: StoredRecord) -> None:
        for key, uuids in self._unique.items():
            # Values that are not set do not conflict, as NULL in SQL.
            if all(value is not None for value in _values(stored, key)):
                uuids[_values(stored, key)] = uuid

    def _unindex(self, uuid: str) -> None:
        for key, uuids in self._unique.items():
            uuids.pop(_values(self._rows[uuid], key), None)

    def list_page(self, query: Query, visible: Predicate, matches: Predicate) -> Sequence[Row]:
        """Return the page that *query* selects of the records for which *visible* and *matches* are true.

        Raises ``InvalidInput`` for an unknown field, sort key or limit, and for a marker that is not visible.
        """
        names = self._fields.select_fields(query.fields)
        wanted = self._fields.encode_filters(query.where)
        if query.limit is not None and query.limit < 1:
            raise limit_error(query.limit)

        text = None if query.description_contains is None else query.description_contains.lower()

        def is_listed(row: StoredRecord) -> bool:
            has_text = text is None or text in (row["description"] or "").lower()
            return has_text and all(row[name] in values for name, values in wanted.items()) and matches(row)

        return [self._fields.decode_row(row, names) for row in islice(self._sort(query, visible, is_listed), query.limit)]

    def _sort(self, query: Query, visible: Predicate, matches: Predicate) -> list[StoredRecord]:
        field = None if query.sort_key is None else self._fields.get_sort_field(query.sort_key).name

        def position(row: StoredRecord) -> tuple[Any, ...]:
            # Unset values come first, and the order of creation decides between equal values.
            return (field is not None and row[field] is not None, row[field] if field else None, self._order[row["uuid"]])

        descending = query.sort_dir == "desc"
        rows = [row for row in self._rows.values() if visible(row) and matches(row)]
        if query.marker is not None:
            marker = self._rows.get(query.marker)
            if marker is None or not visible(marker):
                raise marker_not_found_error(self._fields.label, query.marker)
            last = position(marker)
            rows = [row for row in rows if (position(row) < last if descending else position(row) > last)]
        return sorted(rows, key=position, reverse=descending)


def _values(stored: StoredRecord, key: UniqueKey) -> tuple[Any, ...]:
    return tuple(stored[name] for name in key)
