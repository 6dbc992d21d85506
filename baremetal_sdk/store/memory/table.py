"""A table in memory: stored records by UUID in the order of their creation, unique values, and pages."""

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
    """Records of one kind. Whoever uses it holds a lock."""

    def __init__(self, fields: RecordFields[R]) -> None:
        self._fields = fields
        self._rows: dict[str, StoredRecord] = {}
        self._order: dict[str, int] = {}
        self._ids = count(1)
        self._unique: dict[UniqueKey, dict[tuple[Any, ...], str]] = {key: {} for key in UNIQUE_KEYS[fields.label]}

    def get(self, uuid: str) -> StoredRecord | None:
        """The stored record with this UUID."""
        return self._rows.get(uuid)

    def find(self, field: str, value: str) -> StoredRecord | None:
        """The stored record with this value in a unique field."""
        uuid = self._unique[(field,)].get((value,))
        return None if uuid is None else self._rows[uuid]

    def where(self, field: str, value: Any) -> list[StoredRecord]:
        """All stored records with this value in a field."""
        return [row for row in self._rows.values() if row[field] == value]

    def insert(self, stored: StoredRecord) -> None:
        """Add a record. Raises the error of a value that is taken."""
        uuid = stored["uuid"]
        self._refuse_taken(uuid, stored, new=True)
        self._rows[uuid] = stored
        self._order[uuid] = next(self._ids)
        self._index(uuid, stored)

    def replace(self, stored: StoredRecord) -> None:
        """Put a record in the place of the one with its UUID. Raises the error of a value that is taken."""
        uuid = stored["uuid"]
        self._refuse_taken(uuid, stored, new=False)
        self._unindex(uuid)
        self._rows[uuid] = stored
        self._index(uuid, stored)

    def delete(self, uuid: str) -> None:
        """Remove a record."""
        self._unindex(uuid)
        del self._rows[uuid], self._order[uuid]

    def _refuse_taken(self, uuid: str, stored: StoredRecord, *, new: bool) -> None:
        for key, uuids in self._unique.items():
            owner = uuids.get(_values(stored, key))
            if owner is not None and (new or owner != uuid):
                raise duplicate_error(self._fields.label, key, stored)

    def _index(self, uuid: str, stored: StoredRecord) -> None:
        for key, uuids in self._unique.items():
            if all(value is not None for value in _values(stored, key)):
                uuids[_values(stored, key)] = uuid

    def _unindex(self, uuid: str) -> None:
        for key, uuids in self._unique.items():
            uuids.pop(_values(self._rows[uuid], key), None)

    def page(self, query: Query, visible: Predicate, matches: Predicate) -> Sequence[Row]:
        """A page of the records that are *visible* and match the query and *matches*."""
        names = self._fields.select_fields(query.fields)
        wanted = self._fields.encode_filters(query.where)
        if query.limit is not None and query.limit < 1:
            raise limit_error(query.limit)

        text = None if query.description_contains is None else query.description_contains.lower()

        def is_listed(row: StoredRecord) -> bool:
            described = text is None or text in (row["description"] or "").lower()
            return described and all(row[name] in values for name, values in wanted.items()) and matches(row)

        return [self._fields.decode_row(row, names) for row in islice(self._sort(query, visible, is_listed), query.limit)]

    def _sort(self, query: Query, visible: Predicate, matches: Predicate) -> list[StoredRecord]:
        field = None if query.sort_key is None else self._fields.sort_field(query.sort_key).name

        def position(row: StoredRecord) -> tuple[Any, ...]:
            """What is not set comes first; the order of creation decides between equals."""
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
