"""Fast converter of database rows to records, because a listing can have thousands of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from baremetal_sdk.store.records.fields import FieldKind, RecordFields
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.store.sealed_columns import MARK, SealedColumns

R = TypeVar("R")


class RowReader(Generic[R]):
    """Converter of database rows with the columns *names*, in this order, to records and listing rows.

    *sealed* unseals the secrets in the columns.
    """

    def __init__(self, fields: RecordFields[R], names: Sequence[str], sealed: SealedColumns) -> None:
        self._sealed = sealed
        self._label = fields.label
        self._texts = tuple(index for index, name in enumerate(names) if fields.by_name[name].kind is FieldKind.TEXT)
        self._type = fields.record_type
        self._names = tuple(names)
        self._json = tuple((index, fields.by_name[name]) for index, name in enumerate(names) if fields.by_name[name].kind.is_json)

    def _values(self, row: Sequence[Any]) -> dict[str, Any]:
        values = list(row)
        for index, field in self._json:
            stored = values[index]
            if MARK in stored:
                stored = self._sealed.unseal_json(stored, f"{self._label}/{field.name}")
            values[index] = field.decode(stored)
        for index in self._texts:
            stored = values[index]
            if stored is not None and MARK in stored:
                values[index] = self._sealed.unseal_text(stored, f"{self._label}/{self._names[index]}")
        return dict(zip(self._names, values, strict=True))

    def read_record(self, row: Sequence[Any]) -> R:
        """Return the record for a database row that has all fields."""
        record = object.__new__(self._type)
        # A frozen dataclass sets each field with object.__setattr__, which takes longer than the query.
        record.__dict__.update(self._values(row))
        return record

    def read_row(self, row: Sequence[Any]) -> Row:
        """Return the listing's row for a database row."""
        return Row(self._values(row))
