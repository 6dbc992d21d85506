"""What a listing asks for, and the rows that it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Scope:
    """What the caller may see. ``Scope()`` sees all; with *project* only what it owns or leases."""

    project: str | None = None
    ALL: ClassVar[Scope]


Scope.ALL = Scope()


@dataclass(frozen=True)
class Query:
    """A page of a listing.

    *where*: column -> value, or a tuple of values of which one has to match, or None for "is not set". *fields* are
    the columns of the answer (None: all). *marker* is the UUID of the last record of the page before. The order is by
    *sort_key*, then by the order of creation.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] | None = None
    limit: int | None = None
    marker: str | None = None
    sort_key: str | None = None
    sort_dir: Literal["asc", "desc"] = "asc"
    node_where: Mapping[str, Any] = field(default_factory=dict)
    """What is asked of the node that a record belongs to: column -> value or values, as in *where*."""
    description_contains: str | None = None
    """A part of the description, of what has one; letters match in either case."""


@dataclass(frozen=True)
class NodeQuery(Query):
    """A page of nodes; what equality cannot say has a field of its own."""

    associated: bool | None = None
    """Whether an instance is set."""
    sharded: bool | None = None
    """Whether a shard is set."""
    include_children: bool = True
    """Whether nodes that have a parent node are listed."""
    traits: tuple[str, ...] = ()
    """Traits that each node has to have, all of them."""


class Row(Mapping[str, Any]):
    """One record of a listing: the columns that were asked for, as items and as attributes."""

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
            raise AttributeError(f"{name!r} was not among the fields that were asked for: {sorted(self._values)}") from None

    def __repr__(self) -> str:
        return f"Row({dict(self._values)!r})"
