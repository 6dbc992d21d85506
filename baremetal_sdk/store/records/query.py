"""Queries of listings, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Scope:
    """Records that the caller may see: all, or only those that *project* owns or leases."""

    project: str | None = None
    ALL: ClassVar[Scope]


Scope.ALL = Scope()


@dataclass(frozen=True)
class Query:
    """Query for a page of a listing.

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
    """Filters of the node that a record belongs to, in the form of *where*."""
    description_contains: str | None = None
    """Substring of the description; the case of letters does not matter."""


@dataclass(frozen=True)
class NodeQuery(Query):
    """Query for a page of nodes, with filters beyond equality."""

    associated: bool | None = None
    """True selects nodes with an instance, False nodes without one, None all."""
    sharded: bool | None = None
    """True selects nodes with a shard, False nodes without one, None all."""
    include_children: bool = True
    """True if nodes with a parent node are listed."""
    traits: tuple[str, ...] = ()
    """Traits that each listed node must have."""


class Row(Mapping[str, Any]):
    """One row of a listing: the selected fields, as items and as attributes."""

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
