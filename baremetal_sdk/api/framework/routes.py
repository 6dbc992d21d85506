"""Routes: the declaration next to each handler, and the table that matches requests to them.

A resource is a class whose methods are handlers, each with one or more :class:`Route` declarations. Dispatch, version
checks, parameter checks, the policy and the OpenAPI document are all derived from these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api.access.personas import ANYBODY, Persona
from baremetal_sdk.api.framework.errors import MethodNotAllowed, PathNotFound, VersionTooOldForMethod
from baremetal_sdk.api.framework.microversions import MAXIMUM, format_version
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, not_acceptable_before
from baremetal_sdk.api.framework.types import ValueType
from baremetal_sdk.api.framework.views import ResponseSpec

Handler = Callable[[Any], Any]
"""Function that handles a request: it takes the ``APIRequest`` and returns the content of the response or a whole response."""
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_routes__"

PUBLIC = "public"
"""Visibility of routes that need no credentials."""
_WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
AUTHENTICATED = "authenticated"
"""Visibility of routes that need an authenticated client."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Declaration of one route: an HTTP method on a path, its policy rule, its microversions, parameters and response."""

    method: str
    path: str
    """The path template. A segment in braces matches any one segment; the name in the braces names the argument."""
    policy: str
    """The name of the policy rule that a request needs."""
    status: int = 200
    """The HTTP status of a successful response. A handler may set another one."""
    since: int = 1
    """The minor number of the first microversion with the route."""
    too_old_status: int = 404
    """The HTTP status for requests of earlier microversions: 404, 405 or 406, as in Ironic."""
    policy_first: bool = False
    """True if a request of an earlier microversion gets 403 rather than *too_old_status* where the policy refuses it."""
    also_versions: frozenset[int] = frozenset()
    """Microversions before *since* that the route accepts in addition."""
    visibility: str = AUTHENTICATED
    role: Persona | None = None
    """The persona of the rule. None selects the default for the HTTP method, see :attr:`persona`."""
    alternative_rules: tuple[str, ...] = ()
    """Further rules. Each of them or *policy* suffices to reach the handler, which then checks the rule that applies."""
    query: Parameters = field(default_factory=lambda: Parameters("query parameter"))
    """The query parameters. All others are refused."""
    body: Parameters | ValueType | None = None
    """The fields of a JSON object, or the type of the whole body. None: the request body is not read."""
    summary: str = ""
    """A description for the documentation and the OpenAPI document."""
    response: ResponseSpec | Mapping[str, Any] | None = None
    """The view of the response or its JSON schema. None: the return annotation of the handler describes the response."""
    content_type: str = "application/json"
    """The content type of the response."""
    passthrough: bool = False
    """True if the route may return a driver's response with any status of the 2xx class."""

    @property
    def persona(self) -> str:
        """The persona of the rule. By default ``anybody`` for public routes, ``reader`` for GET, and ``member`` otherwise."""
        if self.visibility == PUBLIC:
            return ANYBODY
        return self.role or ("reader" if self.method == "GET" else "member")

    def is_served(self, minor: int) -> bool:
        """Return whether the route accepts requests of microversion *minor*."""
        return minor >= self.since or minor in self.also_versions

    def check_version(self, minor: int) -> None:
        """Raise the error with the status *too_old_status* if microversion *minor* does not have this route."""
        if not self.is_served(minor):
            raise _version_error(self, self.too_old_status)

    def describe(self) -> dict[str, Any]:
        """Return this declaration as plain data for the documentation."""
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
            "body": _describe_body(self.body),
            "summary": self.summary,
        }


def _describe_body(body: Parameters | ValueType | None) -> Any:
    if isinstance(body, Parameters):
        return [parameter.describe() for parameter in body.declared]
    return dict(body.schema) if body is not None else None


def _version_error(route: Route, status: int) -> BareMetalError:
    """Return the error for a request of an earlier microversion than the route's. Ironic uses three statuses for this."""
    since = format_version(route.since)
    if status == 404:
        return PathNotFound(f"{route.path} is served since version {since} of the API; request this version or a later one")
    if status == 405:
        return VersionTooOldForMethod(f"{route.path} takes {route.method} since version {since} of the API")
    return not_acceptable_before(route.path, route.since)


def route(
    method: str,
    path: str,
    *,
    policy: str,
    status: int = 200,
    since: int = 1,
    too_old_status: int = 404,
    policy_first: bool = False,
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
    """Declare the decorated method as the handler of *method* on *path*. Repeat it for a handler of several paths.

    :class:`Route` documents the other arguments. The first line of the handler's docstring becomes the summary.
    """

    def declare(handler: F) -> F:
        declared = Route(
            method=method,
            path=path,
            policy=policy,
            status=status,
            since=since,
            too_old_status=too_old_status,
            policy_first=policy_first,
            also_versions=frozenset(also_versions),
            visibility=visibility,
            role=role,
            alternative_rules=tuple(alternative_rules),
            query=Parameters("query parameter", tuple(query)),
            body=body if body is None or isinstance(body, ValueType) else Parameters("field", tuple(body)),
            summary=(handler.__doc__ or "").strip().partition("\n")[0],
            response=response,
            content_type=content_type,
            passthrough=passthrough,
        )
        # Decorators run from the bottom up, so this appends: the lowest declaration comes first.
        setattr(handler, _ATTRIBUTE, (*getattr(handler, _ATTRIBUTE, ()), declared))
        return handler

    return declare


def declare_routes(resource: type, routes: Iterable[tuple[str, Route]]) -> None:
    """Declare *routes* of a resource class as pairs of handler name and route. They precede those of :func:`route` decorators."""
    setattr(resource, _ATTRIBUTE, tuple(routes))


def declared_routes(resource: type) -> Iterator[tuple[str, Route]]:
    """Yield the name of each handler of a resource with each of its routes, in the order of declaration."""
    yield from vars(resource).get(_ATTRIBUTE, ())
    for name, attribute in vars(resource).items():
        for declared in getattr(attribute, _ATTRIBUTE, ()):
            yield name, declared


@dataclass
class _Segment:
    """One position in the tree of path segments: the segments that may follow, and the routes of paths that end here."""

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
            raise ValueError(f"two paths name the same segment differently, {{{name}}} and {{{self.any[0]}}}; use one name")
        return self.any[1]

    def find(self, part: str) -> _Segment | None:
        """Return the segment that follows for *part* of a path. A literal segment wins over a template."""
        if part in self.literal:
            return self.literal[part]
        return None if self.any is None else self.any[1]


@dataclass(frozen=True)
class Match:
    """The result of matching a request: its route, the handler of the route, and the values of the path's segments by name."""

    route: Route
    handler: Handler
    arguments: dict[str, str]


@runtime_checkable
class RuleSource(Protocol):
    """A resource that also declares policy rules that no route names, such as rules about one field."""

    @property
    def rules(self) -> Mapping[str, Persona]:
        """The additional rules: rule -> persona."""


class RouteTable:
    """All routes of one application, as a tree of path segments."""

    def __init__(self) -> None:
        self._root = _Segment()
        self._routes: list[tuple[Route, Handler]] = []
        self.rules: dict[str, Persona] = {}
        """The rules that resources declare in addition to those of routes, such as rules about one field, with their personas."""

    def add(self, resource: object) -> None:
        """Add all routes of *resource*. Raises ``ValueError`` if a path has two handlers for one method."""
        if isinstance(resource, RuleSource):
            self.rules.update(resource.rules)
        for name, declared in declared_routes(type(resource)):
            segment = self._root
            for part in split_path(declared.path):
                segment = segment.child(part)
            if declared.method in segment.routes:
                raise ValueError(f"cannot add the route: {declared.method} {declared.path} is declared twice")
            segment.routes[declared.method] = (declared, getattr(resource, name))
            self._routes.append(segment.routes[declared.method])

    def routes(self) -> tuple[Route, ...]:
        """Return all routes in the order in which they were added."""
        return tuple(declared for declared, _ in self._routes)

    def handlers(self) -> tuple[tuple[Route, Handler], ...]:
        """Return all routes with their handlers, in the same order."""
        return tuple(self._routes)

    def match(self, method: str, parts: list[str], minor: int = MAXIMUM) -> Match:
        """Return the route for *method* on the path with the segments *parts*.

        Raises ``PathNotFound`` and ``MethodNotAllowed``. The caller checks the version of the route that is found. If
        no route of the path has the method and all of them are newer than *minor*, the error is ``PathNotFound``:
        for a client of that microversion the path does not exist. A write to an unknown child of a resource is
        ``MethodNotAllowed`` if neither the resource nor its collection has the method, as in Ironic.
        """
        try:
            segment, arguments = self._find(parts)
        except PathNotFound:
            self._refuse_write_to_child(method, parts)
            raise
        served = segment.routes.get("GET" if method == "HEAD" else method)
        if served is None:
            first = min((route for route, _ in segment.routes.values()), key=lambda route: route.since)
            if not first.is_served(minor):
                raise _version_error(first, 404)
            allowed = allowed_methods(segment.routes)
            raise MethodNotAllowed(f"{method[:16]} is not allowed on this path; use one of {', '.join(allowed)}", allowed)
        declared, handler = served
        return Match(declared, handler, arguments)

    def methods(self, parts: list[str]) -> Iterable[str]:
        """Return the HTTP methods of the path with the segments *parts*. Raises ``PathNotFound``."""
        return self._find(parts)[0].routes

    @property
    def roots(self) -> Container[str]:
        """The first segments of all paths, such as ``v1``."""
        return self._root.literal

    def _find(self, parts: list[str]) -> tuple[_Segment, dict[str, str]]:
        segment, arguments = self._root, {}
        for part in parts:
            # A literal segment wins over a template, so /v1/nodes/detail is not the node "detail".
            following = segment.literal.get(part)
            if following is None:
                if segment.any is None:
                    raise path_not_found_error(parts)
                name, following = segment.any
                arguments[name] = part
            segment = following
        if not segment.routes:
            raise path_not_found_error(parts)
        return segment, arguments

    def _refuse_write_to_child(self, method: str, parts: list[str]) -> None:
        """Raise ``MethodNotAllowed`` if *parts* is an unknown child of a resource that does not have the writing *method*."""
        known = [self._root]
        for part in parts:
            if (following := known[-1].find(part)) is None:
                break
            known.append(following)
        resource = next((depth for depth in range(len(known) - 1, 1, -1) if known[depth].routes), None)
        if method not in _WRITING_METHODS or resource is None:
            return
        served = {*known[resource].routes}
        template = known[resource - 1].any
        if template is not None and template[1] is known[resource]:
            served.update(known[resource - 1].routes)
        if method not in served:
            allowed = allowed_methods(known[resource].routes)
            raise MethodNotAllowed(f"{method} is not allowed below this resource; it has {', '.join(allowed)}", allowed)


def path_not_found_error(parts: list[str]) -> PathNotFound:
    """Return the error of status 404 for a path without a route. *parts* are its segments."""
    path = "/" + "/".join(parts)
    return PathNotFound(f"the path {path[:128]!r} does not exist; /v1/ lists the resources")


def allowed_methods(routes: Iterable[str]) -> tuple[str, ...]:
    """Return *routes*, the HTTP methods of a path, with OPTIONS and HEAD added, for an ``Allow`` header."""
    methods = {*routes, "OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return tuple(sorted(methods))


def split_path(path: str) -> list[str]:
    """Return the segments of a path. Empty segments are dropped, so repeated and trailing slashes mean nothing."""
    return [part for part in path.split("/") if part]
