"""Routing of a simulated Redfish BMC: it finds the request handler for a URL path and an HTTP method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from baremetal_fake.redfish.errors import missing_resource, wrong_method
from baremetal_fake.redfish.exchange import ROOT, Handler

NAME = "*"
"""Segment of a route pattern that matches any single name."""


class Route(NamedTuple):
    """The handlers, by HTTP method, of the resources whose paths match *pattern*.

    The pattern, such as ``Systems/*/Bios``, is relative to the service root ``/redfish/v1``.
    """

    pattern: str
    methods: Mapping[str, Handler]
    public_methods: frozenset[str] = frozenset()
    """HTTP methods that need no credentials."""


class RouteMatch(NamedTuple):
    """The result of a route search: the route, and the names in the path that matched its variable segments."""

    route: Route
    names: tuple[str, ...]

    def handler(self, method: str) -> Handler:
        """Return the handler of the HTTP *method*; raise RedfishError (HTTP 405) if the resource does not support it.

        The handler of GET also serves HEAD.
        """
        method = "GET" if method == "HEAD" else method
        if method not in self.route.methods:
            raise wrong_method(method, self.allowed_methods())
        return self.route.methods[method]

    def allowed_methods(self) -> list[str]:
        """Return the HTTP methods that the resource supports."""
        return [*(["HEAD"] if "GET" in self.route.methods else []), *self.route.methods]


class _Branch:
    __slots__ = ("children", "route")

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.route: Route | None = None


class Router:
    """Tree of routes. The search time depends on the length of the path, not on the number of routes.

    *versions* is the route of ``/redfish``, which lists the versions of the protocol.
    """

    def __init__(self, routes: Iterable[Route], versions: Route) -> None:
        self._versions = versions
        self._top = _Branch()
        for route in routes:
            branch = self._top
            for segment in filter(None, route.pattern.split("/")):
                branch = branch.children.setdefault(segment, _Branch())
            branch.route = route

    def find(self, path: str) -> RouteMatch:
        """Return the route of *path*; raise RedfishError (HTTP 404) if no route matches.

        A slash at the end makes no difference.
        """
        if path.rstrip("/") == ROOT.rpartition("/")[0]:
            return RouteMatch(self._versions, ())
        if path != ROOT and not path.startswith(ROOT + "/"):
            raise missing_resource(path)
        branch: _Branch | None = self._top
        names: list[str] = []
        for segment in path[len(ROOT) :].strip("/").split("/"):
            if not segment or branch is None:
                break
            child = branch.children.get(segment)
            if child is None:
                names.append(segment)
                child = branch.children.get(NAME)
            branch = child
        if branch is None or branch.route is None:
            raise missing_resource(path)
        return RouteMatch(branch.route, tuple(names))
