"""From the rows of the database to records, quickly: a listing makes thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from baremetal_sdk.store.records.fields import RecordFields
from baremetal_sdk.store.records.query import Row

R = TypeVar("R")


class RowReader(Generic[R]):
    """Reads rows that have the columns *names*, in this order."""

    def __init__(self, fields: RecordFields[R], names: Sequence[str]) -> None:
        self._type = fields.record_type
        self._names = tuple(names)
        self._json = tuple((index, fields.by_name[name]) for index, name in enumerate(names) if fields.by_name[name].kind.is_json)

    def _values(self, row: Sequence[Any]) -> dict[str, Any]:
        values = list(row)
        for index, field in self._json:
            values[index] = field.decode(values[index])
        return dict(zip(self._names, values, strict=True))

    def read_record(self, row: Sequence[Any]) -> R:
        """The record of a row with all fields."""
        record = object.__new__(self._type)
        # What __init__ of a frozen dataclass does, at once: field by field it takes longer than the statement.
        record.__dict__.update(self._values(row))
        return record

    def read_row(self, row: Sequence[Any]) -> Row:
        """The row of a listing."""
        return Row(self._values(row))
