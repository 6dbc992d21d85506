"""Views: the JSON form of records. A view is compiled once for each microversion and selection of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Literal, Protocol, TypedDict
from urllib.parse import quote

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import not_acceptable_before, unknown_before
from baremetal_sdk.api.framework.types import ValueType

Render = Callable[..., Any]
"""Render function of a field: it takes the request and the values of the field's columns, and returns the value for clients."""
Source = Callable[[Any], tuple[Any, ...]]
"""Function that returns the values of certain columns of a record or a row as a tuple."""
LINKS = "links"
"""The field with links to the record. It is in all responses, whether the client selects it or not."""


class RenderContext(Protocol):
    """The request for which a record is rendered. Render functions get the same object and may use all of a request."""

    @property
    def base(self) -> str:
        """The start of all links: scheme, host and prefix, without a trailing slash."""


class Link(TypedDict):
    """A link to a resource. *rel* is ``self`` for the API, or ``bookmark`` for a path without version."""

    href: Annotated[str, {"format": "uri"}]
    rel: str


@dataclass(frozen=True)
class LegacyValue:
    """A replacement for older clients: before microversion *until*, they get *legacy* instead of the stored *value*."""

    until: int
    value: str
    legacy: str | None


@dataclass(frozen=True)
class ViewField:
    """A field of a resource as clients see it. *since* is the minor number of its first microversion."""

    name: str
    since: int = 1
    columns: tuple[str, ...] = ()
    """The columns of the field. Empty: the column with the name of the field."""
    render: Render | None = None
    sortable: bool = True
    legacy_values: tuple[LegacyValue, ...] = ()
    volatile: bool = False
    """True if the value can change without a new revision of the record, for example with the time."""
    too_old_status: Literal[400, 406] = 406
    """The HTTP status for requests of earlier microversions that select the field, as in Ironic."""
    type: ValueType | None = None
    """The type of the values, if it says more than the annotation of the column or of the render function."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that are read for the field."""
        return self.columns or (self.name,)

    def renderer(self, minor: int) -> Render | None:
        """Return the render function for microversion *minor*. None: the stored value is the value for clients."""
        legacy = {entry.value: entry.legacy for entry in self.legacy_values if minor < entry.until}
        if legacy:
            return lambda context, value: legacy.get(value, value)
        return self.render


@dataclass(frozen=True)
class RenderedField:
    """A field with a render function. *of_record* and *of_row* read the values of its columns, which the function takes."""

    name: str
    render: Render
    of_record: Source
    of_row: Source


@dataclass(frozen=True)
class SubResource:
    """A resource below a record. The record links to it in responses with all fields."""

    name: str
    since: int = 1


@dataclass(frozen=True, eq=False)
class FieldSelection:
    """The compiled form of a view for one microversion and selection of fields. It is immutable and shared by threads.

    *columns* are those that a listing reads. *names* are the fields without a render function, *rendered* those with one.
    *volatile* are the rendered fields whose values can change without a new revision of the record.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    of_record: Source
    of_row: Source
    rendered: tuple[RenderedField, ...]
    subresources: tuple[str, ...]
    collection: str
    path: str
    volatile: tuple[RenderedField, ...]
    version_columns: tuple[str, ...]
    """The columns that decide whether a rendered record is still valid: see :meth:`state_of_record`."""

    @cached_property
    def field_names(self) -> frozenset[str]:
        """The names of the selected fields."""
        return frozenset((*self.names, *(field.name for field in self.rendered)))

    def state_of_record(self, context: RenderContext, record: Any) -> tuple[Any, ...]:
        """Return the state of a record on which its rendered form depends, for use as a cache key.

        ``created_at`` is part of the state, because a record that is deleted and created again with the same UUID starts
        at the same revision. Volatile fields change without a new revision, so their rendered values are part of it.
        """
        return (record.created_at, record.revision, *(field.render(context, *field.of_record(record)) for field in self.volatile))

    def state_of_row(self, context: RenderContext, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the state of a row of a listing, as :meth:`state_of_record` does for a record."""
        return (row["created_at"], row["revision"], *(field.render(context, *field.of_row(row)) for field in self.volatile))

    def record(self, context: RenderContext, record: Any) -> dict[str, Any]:
        """Return a record of the store as a JSON object with the selected fields and links."""
        values = self.of_record(record)
        # The last value is the key for the links. It has no name, so zip leaves it out.
        rendered = dict(zip(self.names, values, strict=False))
        for field in self.rendered:
            rendered[field.name] = field.render(context, *field.of_record(record))
        return self._add_links(context, rendered, values[-1])

    def row(self, context: RenderContext, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of a listing as a JSON object with the selected fields and links."""
        values = self.of_row(row)
        rendered = dict(zip(self.names, values, strict=False))
        for field in self.rendered:
            rendered[field.name] = field.render(context, *field.of_row(row))
        return self._add_links(context, rendered, values[-1])

    def _add_links(self, context: RenderContext, rendered: dict[str, Any], key: str) -> dict[str, Any]:
        path = f"{self.path}/{quote(str(key), safe='')}"
        rendered[LINKS] = build_links(context.base, path)
        for name in self.subresources:
            rendered[name] = build_links(context.base, f"{path}/{name}")
        return rendered


class View:
    """The JSON form of one class of records.

    *collection* is the name of the list in a listing's body, *record* the record class, and *path* the path below ``/v1/``,
    by default *collection*. *default* names the fields of a listing without a selection. *key* is the column at the end of
    a record's links. With *links_when_brief*, records in listings also link to their subresources.
    """

    def __init__(
        self,
        collection: str,
        record: type,
        fields: Iterable[ViewField],
        *,
        default: Iterable[str],
        subresources: Iterable[SubResource] = (),
        key: str = "uuid",
        links_when_brief: bool = False,
        path: str | None = None,
    ) -> None:
        self.collection = collection
        self.record = record
        self.path = path or collection
        self.fields = {field.name: field for field in fields}
        self.default = tuple(default)
        self.subresources = tuple(subresources)
        self._links_when_brief = links_when_brief
        self._key = key
        self._compiled = lru_cache(maxsize=1024)(self._compile)

    def whole(self, minor: int) -> FieldSelection:
        """Return the selection of all fields of microversion *minor*."""
        return self._compiled(minor, None, True)

    def brief(self, minor: int) -> FieldSelection:
        """Return the selection of the fields that a listing has by default in microversion *minor*."""
        return self._compiled(minor, self._brief_names(minor), self._links_when_brief)

    def select(self, minor: int, names: Sequence[str]) -> FieldSelection:
        """Return the selection of the fields *names*. Raises ``InvalidInput`` and ``NotAcceptable``."""
        selected_names = tuple(name for name in names if name != LINKS)
        self.check(minor, selected_names)
        return self._compiled(minor, selected_names, False)

    def check(self, minor: int, names: Iterable[str], what: str = "fields") -> None:
        """Raise ``InvalidInput`` or ``NotAcceptable`` for names that are not fields in microversion *minor*.

        *what* is the query parameter with the names.
        """
        unknown = [name for name in names if name not in self.fields]
        if unknown:
            raise InvalidInput(
                [Problem(what, f"{name[:64]!r} is not a field", self._list_known_names(minor)) for name in unknown]
            )
        for name in names:
            field = self.fields[name]
            if field.since > minor:
                if field.too_old_status == 400:
                    raise unknown_before(name, field.since)
                raise not_acceptable_before(name, field.since)

    def check_sort_key(self, minor: int, name: str) -> str:
        """Return the column of the sort key *name*. Raises ``InvalidInput`` and ``NotAcceptable``."""
        self.check(minor, (name,), what="sort_key")
        if not self.fields[name].sortable:
            sortable = ", ".join(sorted(field.name for field in self.fields.values() if field.sortable and field.since <= minor))
            # Ironic's words, which clients match.
            raise InvalidInput([Problem("sort_key", f"{name} is an invalid field for sorting", f"use one of {sortable}")])
        return self.fields[name].sources[0]

    def _brief_names(self, minor: int) -> tuple[str, ...]:
        return tuple(name for name in self.default if self.fields[name].since <= minor)

    def _list_known_names(self, minor: int) -> str:
        return "known names are " + ", ".join(sorted(name for name, field in self.fields.items() if field.since <= minor))

    def _compile(self, minor: int, names: tuple[str, ...] | None, linked: bool) -> FieldSelection:
        fields = [field for field in self.fields.values() if field.since <= minor and (names is None or field.name in names)]
        plain = [field for field in fields if field.renderer(minor) is None]
        with_renderer = [(field, render) for field in fields if (render := field.renderer(minor)) is not None]
        columns = (*(field.sources[0] for field in plain), self._key)
        rendered = {
            field.name: RenderedField(field.name, render, _getter(attrgetter, field.sources), _getter(itemgetter, field.sources))
            for field, render in with_renderer
        }
        volatile = [field for field, _ in with_renderer if field.volatile]
        return FieldSelection(
            columns=tuple(dict.fromkeys((*columns, *(column for field, _ in with_renderer for column in field.sources)))),
            names=tuple(field.name for field in plain),
            of_record=_getter(attrgetter, columns),
            of_row=_getter(itemgetter, columns),
            rendered=tuple(rendered.values()),
            volatile=tuple(rendered[field.name] for field in volatile),
            version_columns=tuple(
                dict.fromkeys(("uuid", "created_at", "revision", *(column for field in volatile for column in field.sources)))
            ),
            subresources=tuple(sub.name for sub in self.subresources if linked and sub.since <= minor),
            collection=self.collection,
            path=self.path,
        )


@dataclass(frozen=True)
class ResponseSpec:
    """The response of a route: one record of a view or, with *page*, a page of them.

    *whole*: the records have all fields, not only selected ones.
    """

    view: View
    page: bool = False
    whole: bool = False
    linked: bool = True
    """True if the records have links."""


def _getter(kind: Callable[..., Callable[[Any], Any]], columns: tuple[str, ...]) -> Source:
    # attrgetter and itemgetter return a plain value for one name, and a tuple for several.
    if len(columns) == 1:
        single = kind(*columns)
        return lambda source: (single(source),)
    return kind(*columns)


def build_links(base: str, path: str) -> list[Link]:
    """Return the links of the resource at *path* below ``/v1/``. Names in the path are quoted already."""
    return [{"href": f"{base}/v1/{path}", "rel": "self"}, {"href": f"{base}/{path}", "rel": "bookmark"}]
