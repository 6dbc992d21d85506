"""How records become JSON: each field with the microversion that brought it, compiled once per version and selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Literal, Protocol, TypedDict

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import not_acceptable_before, unknown_before
from baremetal_sdk.api.framework.types import ValueType

Render = Callable[..., Any]
"""From the request and the values of a field's columns to what is shown."""
Source = Callable[[Any], tuple[Any, ...]]
LINKS = "links"
"""A field that every record has, whether it was selected or not."""


class RenderContext(Protocol):
    """The request for which a record is rendered. Render functions get the same object and may use all of a request."""

    @property
    def base(self) -> str:
        """The start of all links: scheme, host and prefix, without a trailing slash."""


class Link(TypedDict):
    """Where something is served."""

    href: Annotated[str, {"format": "uri"}]
    rel: str


@dataclass(frozen=True)
class LegacyValue:
    """A value that was called otherwise before microversion *until*."""

    until: int
    value: str
    shown: str | None


@dataclass(frozen=True)
class ViewField:
    """A field of a resource as clients see it."""

    name: str
    since: int = 1
    columns: tuple[str, ...] = ()
    """The columns of the store that it is made of; by default that of its name."""
    render: Render | None = None
    sortable: bool = True
    older: tuple[LegacyValue, ...] = ()
    volatile: bool = False
    """Whether it can change while the record keeps its revision."""
    too_old_status: Literal[400, 406] = 406
    """How a request of an earlier microversion that selects it is answered, as clients know it."""
    type: ValueType | None = None
    """What its values are, where more is known than the type of its column, or of what renders it, says."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that are read for it."""
        return self.columns or (self.name,)

    def rendered(self, minor: int) -> Render | None:
        """What makes the shown value in microversion *minor*; None where the stored value is shown."""
        older = {name.value: name.shown for name in self.older if minor < name.until}
        if older:
            return lambda context, value: older.get(value, value)
        return self.render


@dataclass(frozen=True)
class RenderedField:
    """A field whose value is made, not only read."""

    name: str
    render: Render
    of_record: Source
    of_row: Source


@dataclass(frozen=True)
class SubResource:
    """What lies below a record and is linked from it, when the record is shown whole."""

    name: str
    since: int = 1


@dataclass(frozen=True, eq=False)
class FieldSelection:
    """The fields of one answer, ready to be filled in. There is one for each version and selection."""

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
    """The columns that tell whether a record is shown as it was before."""

    @cached_property
    def shown(self) -> frozenset[str]:
        """The fields that are shown."""
        return frozenset((*self.names, *(field.name for field in self.rendered)))

    def state_of_record(self, context: RenderContext, record: Any) -> tuple[Any, ...]:
        """What is shown of a record changes exactly when this does. Revisions begin anew with a record that has the same UUID."""
        return (record.created_at, record.revision, *(field.render(context, *field.of_record(record)) for field in self.volatile))

    def state_of_row(self, context: RenderContext, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """The same of a row of a listing."""
        return (row["created_at"], row["revision"], *(field.render(context, *field.of_row(row)) for field in self.volatile))

    def record(self, context: RenderContext, record: Any) -> dict[str, Any]:
        """A record of the store as JSON."""
        values = self.of_record(record)
        shown = dict(zip(self.names, values, strict=False))
        for field in self.rendered:
            shown[field.name] = field.render(context, *field.of_record(record))
        return self._linked(context, shown, values[-1])

    def row(self, context: RenderContext, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a listing as JSON."""
        values = self.of_row(row)
        shown = dict(zip(self.names, values, strict=False))
        for field in self.rendered:
            shown[field.name] = field.render(context, *field.of_row(row))
        return self._linked(context, shown, values[-1])

    def _linked(self, context: RenderContext, shown: dict[str, Any], key: str) -> dict[str, Any]:
        path = f"{self.path}/{key}"
        shown[LINKS] = links(context.base, path)
        for name in self.subresources:
            shown[name] = links(context.base, f"{path}/{name}")
        return shown


class View:
    """The representation of one kind of record.

    *collection* is what a listing is called in its body, *record* the class of what is shown, *path* (by default that of the
    collection) where it is served below ``/v1/``; *key* is the column that the record's links end with; *links_when_brief*
    is whether what lies below a record is linked in listings, too.
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
        """All fields that there are in microversion *minor*."""
        return self._compiled(minor, None, True)

    def brief(self, minor: int) -> FieldSelection:
        """The fields that a listing shows by default."""
        return self._compiled(minor, self._brief_names(minor), self._links_when_brief)

    def selected(self, minor: int, names: Sequence[str]) -> FieldSelection:
        """The fields that a client selected. Raises ``InvalidInput`` and ``NotAcceptable``."""
        wanted = tuple(name for name in names if name != LINKS)
        self.check(minor, wanted)
        return self._compiled(minor, wanted, False)

    def check(self, minor: int, names: Iterable[str], what: str = "fields") -> None:
        """Refuse names that are no fields, or none yet in microversion *minor*."""
        unknown = [name for name in names if name not in self.fields]
        if unknown:
            raise InvalidInput([Problem(what, f"there is no field {name[:64]!r}", self._known(minor)) for name in unknown])
        for name in names:
            field = self.fields[name]
            if field.since > minor:
                raise (
                    unknown_before(name, field.since) if field.too_old_status == 400 else not_acceptable_before(name, field.since)
                )

    def check_sort_key(self, minor: int, name: str) -> str:
        """The column to sort by. Raises ``InvalidInput`` and ``NotAcceptable``."""
        self.check(minor, (name,), what="sort_key")
        if not self.fields[name].sortable:
            sortable = ", ".join(sorted(field.name for field in self.fields.values() if field.sortable and field.since <= minor))
            raise InvalidInput([Problem("sort_key", f"{name} is an invalid field for sorting", f"one of {sortable}")])
        return self.fields[name].sources[0]

    def _brief_names(self, minor: int) -> tuple[str, ...]:
        return tuple(name for name in self.default if self.fields[name].since <= minor)

    def _known(self, minor: int) -> str:
        return "known are " + ", ".join(sorted(name for name, field in self.fields.items() if field.since <= minor))

    def _compile(self, minor: int, names: tuple[str, ...] | None, linked: bool) -> FieldSelection:
        fields = [field for field in self.fields.values() if field.since <= minor and (names is None or field.name in names)]
        read = [field for field in fields if field.rendered(minor) is None]
        made = [(field, render) for field in fields if (render := field.rendered(minor)) is not None]
        columns = (*(field.sources[0] for field in read), self._key)
        rendered = {
            field.name: RenderedField(field.name, render, _getter(attrgetter, field.sources), _getter(itemgetter, field.sources))
            for field, render in made
        }
        volatile = [field for field, _ in made if field.volatile]
        return FieldSelection(
            columns=tuple(dict.fromkeys((*columns, *(column for field, _ in made for column in field.sources)))),
            names=tuple(field.name for field in read),
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
    """What an answer shows of a view: one record or, in a *page*, several, with all their fields where it is *whole*."""

    view: View
    page: bool = False
    whole: bool = False
    linked: bool = True
    """Whether its links are shown."""


def _getter(kind: Callable[..., Callable[[Any], Any]], columns: tuple[str, ...]) -> Source:
    if len(columns) == 1:
        single = kind(*columns)
        return lambda source: (single(source),)
    return kind(*columns)


def links(base: str, path: str) -> list[Link]:
    """The links of what is served below ``/v1/`` at *path*."""
    return [{"href": f"{base}/v1/{path}", "rel": "self"}, {"href": f"{base}/{path}", "rel": "bookmark"}]
