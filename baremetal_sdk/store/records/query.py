"""Parameters of listings, and the rows that listings return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Scope:
    """Restriction of reads to the records that the caller may see: all, or only those that *project* owns or leases."""

    project: str | None = None
    ALL: ClassVar[Scope]


Scope.ALL = Scope()


@dataclass(frozen=True)
class Query:
    """Parameters of a listing that select one page of records.

    *where* maps a field to a value, to a tuple of alternative values, or to None for "not set". *fields* are the fields of
    the rows; None selects all. *limit* is the maximum number of rows. *marker* is the UUID of the last record of the
    previous page. The order is by *sort_key*, with unset values first, and then by creation.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] | None = None
    limit: int | None = None
    marker: str | None = None
    sort_key: str | None = None
    sort_dir: Literal["asc", "desc"] = "asc"
    node_where: Mapping[str, Any] = field(default_factory=dict)
    """Filters in the form of *where* that the node of a record must meet."""
    description_contains: str | None = None
    """Text that the description of each record must contain, in upper or lower case. None for no filter."""


@dataclass(frozen=True)
class NodeQuery(Query):
    """Parameters of a listing of nodes, with additional filters."""

    associated: bool | None = None
    """True selects nodes with an instance, False nodes without one, None all."""
    sharded: bool | None = None
    """True selects nodes with a shard, False nodes without one, None all."""
    include_children: bool = True
    """False leaves out nodes that have a parent node."""
    traits: tuple[str, ...] = ()
    """Traits that each listed node must have."""


class Row(Mapping[str, Any]):
    """A row of a listing. The selected fields are its items and also its attributes."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"{name!r} is not among the selected fields: {sorted(self._values)}") from None

    def __repr__(self) -> str:
        return f"Row({dict(self._values)!r})"
