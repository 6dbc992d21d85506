"""The registry of routes: what is declared beside each handler, and the dispatch made from it.

A resource is a class whose handlers are methods that carry a :class:`Route`. Dispatch, version checks, the refusal of
unknown parameters, policy and the documentation all come from these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from baremetal_sdk.api.access.personas import ANYBODY, Persona
from baremetal_sdk.api.framework.errors import MethodNotAllowed, PathNotFound, VersionTooOldForMethod
from baremetal_sdk.api.framework.microversions import MAXIMUM, format_version
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, not_acceptable_before
from baremetal_sdk.api.framework.types import ValueType
from baremetal_sdk.api.framework.views import ResponseSpec

Handler = Callable[[Any], Any]
"""Takes the ``APIRequest``, which is declared above this module, and returns the content of the response."""
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_routes__"

PUBLIC = "public"
"""Visible to everybody, credentials or not."""
AUTHENTICATED = "authenticated"
"""Visible to callers who are known."""


@dataclass(frozen=True)
class Route:
    """One method on one path."""

    method: str
    path: str
    """A template: a segment in braces matches one segment and is named by what is in the braces."""
    policy: str
    """The rule that is asked."""
    status: int = 200
    since: int = 1
    too_old_status: int = 404
    """How a request of an earlier microversion is answered: 404, 405 or 406, as clients know it."""
    also_versions: frozenset[int] = frozenset()
    """Earlier microversions that are taken as well, and said nothing of."""
    visibility: str = AUTHENTICATED
    role: Persona | None = None
    """For whom it is where that is not what its method says."""
    alternative_rules: tuple[str, ...] = ()
    """Rules of which one is enough to get to its handler, which asks for the one that it takes."""
    query: Parameters = field(default_factory=lambda: Parameters("query parameter"))
    body: Parameters | ValueType | None = None
    """Fields of an object, or a type for the body as a whole, or None where no body is read."""
    summary: str = ""
    response: ResponseSpec | Mapping[str, Any] | None = None
    """What the answer's body shows, or its JSON schema, where more is known of it than its handler's annotation says."""
    content_type: str = "application/json"
    """That of the answer."""
    passthrough: bool = False
    """Whether a driver's own response, with a status of its own, is passed on."""

    @property
    def persona(self) -> str:
        """For whom it is: readers read, members change, where nothing else is declared."""
        if self.visibility == PUBLIC:
            return ANYBODY
        return self.role or ("reader" if self.method == "GET" else "member")

    def is_served(self, minor: int) -> bool:
        """Whether requests of microversion *minor* are taken."""
        return minor >= self.since or minor in self.also_versions

    def check_version(self, minor: int) -> None:
        """Refuse a request of an earlier microversion than this route's."""
        if not self.is_served(minor):
            raise _REFUSALS[self.too_old_status](self)

    def describe(self) -> dict[str, Any]:
        """This declaration as plain data."""
        return {
            "method": self.method,
            "path": self.path,
            "policy": self.policy,
            "visibility": self.visibility,
            "role": self.persona,
            "since": format_version(self.since),
            "too_old": self.too_old_status,
            "status": self.status,
            "query": [parameter.describe() for parameter in self.query.declared],
            "body": _described_body(self.body),
            "summary": self.summary,
        }


def _described_body(body: Parameters | ValueType | None) -> Any:
    if isinstance(body, Parameters):
        return [parameter.describe() for parameter in body.declared]
    return dict(body.schema) if body is not None else None


def _not_served_yet(route: Route) -> Exception:
    return PathNotFound(f"{route.path} is served since version {format_version(route.since)} of the API")


def _not_taken_yet(route: Route) -> Exception:
    return VersionTooOldForMethod(f"{route.path} takes {route.method} since version {format_version(route.since)} of the API")


def _not_acceptable_yet(route: Route) -> Exception:
    return not_acceptable_before(route.path, route.since)


_REFUSALS: dict[int, Callable[[Route], Exception]] = {404: _not_served_yet, 405: _not_taken_yet, 406: _not_acceptable_yet}


def route(
    method: str,
    path: str,
    *,
    policy: str,
    status: int = 200,
    since: int = 1,
    too_old_status: int = 404,
    also_versions: Iterable[int] = (),
    visibility: str = AUTHENTICATED,
    role: Persona | None = None,
    alternative_rules: Iterable[str] = (),
    query: Iterable[Parameter] = (),
    body: Iterable[Parameter] | ValueType | None = None,
    response: ResponseSpec | Mapping[str, Any] | None = None,
    content_type: str = "application/json",
    passthrough: bool = False,
) -> Callable[[F], F]:
    """Declare the method below as the handler of *method* on *path*; repeat it for a handler of several paths."""

    def declare(handler: F) -> F:
        summary = (handler.__doc__ or "").strip().partition("\n")[0]
        fields = body if body is None or isinstance(body, ValueType) else Parameters("field", tuple(body))
        declared = Route(
            method,
            path,
            policy,
            status,
            since,
            too_old_status,
            frozenset(also_versions),
            visibility,
            role,
            tuple(alternative_rules),
            Parameters("query parameter", tuple(query)),
            fields,
            summary,
            response,
            content_type,
            passthrough,
        )
        setattr(handler, _ATTRIBUTE, (*getattr(handler, _ATTRIBUTE, ()), declared))
        return handler

    return declare


def declared_routes(resource: type) -> Iterator[tuple[str, Route]]:
    """The handlers of a resource, by name, with each of their routes."""
    for name, attribute in vars(resource).items():
        for declared in getattr(attribute, _ATTRIBUTE, ()):
            yield name, declared


@dataclass
class _Segment:
    """One place in the tree of paths."""

    literal: dict[str, _Segment] = field(default_factory=dict)
    any: tuple[str, _Segment] | None = None
    routes: dict[str, tuple[Route, Handler]] = field(default_factory=dict)

    def child(self, part: str) -> _Segment:
        if not part.startswith("{"):
            return self.literal.setdefault(part, _Segment())
        name = part.strip("{}")
        if self.any is None:
            self.any = (name, _Segment())
        elif self.any[0] != name:
            raise ValueError(f"one path names its segment {{{name}}} and another {{{self.any[0]}}}")
        return self.any[1]


@dataclass(frozen=True)
class Match:
    """The route of a request, its handler, and what its path gave."""

    route: Route
    handler: Handler
    arguments: dict[str, str]


@runtime_checkable
class RuleSource(Protocol):
    """A resource with rules that no route names, such as rules about one field."""

    @property
    def rules(self) -> Mapping[str, Persona]:
        """The persona of each rule."""


class RouteTable:
    """All routes of one application."""

    def __init__(self) -> None:
        self._root = _Segment()
        self._routes: list[tuple[Route, Handler]] = []
        self.rules: dict[str, Persona] = {}
        """Rules about fields and the like, which resources declare as ``rules``, with the persona of each."""

    def add(self, resource: object) -> None:
        """Register all handlers of *resource*. Two handlers for one method on one path are a programming error."""
        if isinstance(resource, RuleSource):
            self.rules.update(resource.rules)
        for name, declared in declared_routes(type(resource)):
            segment = self._root
            for part in split_path(declared.path):
                segment = segment.child(part)
            if declared.method in segment.routes:
                raise ValueError(f"{declared.method} {declared.path} is declared twice")
            segment.routes[declared.method] = (declared, getattr(resource, name))
            self._routes.append(segment.routes[declared.method])

    def routes(self) -> tuple[Route, ...]:
        """All routes, in the order in which they were registered."""
        return tuple(declared for declared, _ in self._routes)

    def handlers(self) -> tuple[tuple[Route, Handler], ...]:
        """All routes with their handlers."""
        return tuple(self._routes)

    def match(self, method: str, parts: list[str], minor: int = MAXIMUM) -> Match:
        """The route for *method* on a path that was split. Raises ``PathNotFound`` and ``MethodNotAllowed``.

        The version of what is found is not checked, yet a path that came as a whole after *minor* allows no method, either.
        """
        segment, arguments = self._find(parts)
        found = segment.routes.get("GET" if method == "HEAD" else method)
        if found is None:
            first = min((route for route, _ in segment.routes.values()), key=lambda route: route.since)
            if not first.is_served(minor):
                raise _not_served_yet(first)
            allowed = allowed_methods(segment.routes)
            raise MethodNotAllowed(f"{method[:16]} is not allowed here; allowed are {', '.join(allowed)}", allowed)
        return Match(*found, arguments)

    def methods(self, parts: list[str]) -> Iterable[str]:
        """The methods that a path is served with. Raises ``PathNotFound``."""
        return self._find(parts)[0].routes

    @property
    def roots(self) -> Container[str]:
        """What the first segment of a path can be."""
        return self._root.literal

    def _find(self, parts: list[str]) -> tuple[_Segment, dict[str, str]]:
        segment, arguments = self._root, {}
        for part in parts:
            following = segment.literal.get(part)
            if following is None:
                if segment.any is None:
                    raise path_not_found(parts)
                name, following = segment.any
                arguments[name] = part
            segment = following
        if not segment.routes:
            raise path_not_found(parts)
        return segment, arguments


def path_not_found(parts: list[str]) -> PathNotFound:
    """The refusal of a path that nothing is served at."""
    path = "/" + "/".join(parts)
    return PathNotFound(f"nothing is served at {path[:128]!r}; /v1/ lists the resources that there are")


def allowed_methods(routes: Iterable[str]) -> tuple[str, ...]:
    """The methods to name in an ``Allow`` header."""
    methods = {*routes, "OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return tuple(sorted(methods))


def split_path(path: str) -> list[str]:
    """The segments of a path. A slash at the end, and one after another, mean nothing."""
    return [part for part in path.split("/") if part]
