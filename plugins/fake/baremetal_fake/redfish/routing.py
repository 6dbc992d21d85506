"""Which handler serves which path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from baremetal_fake.redfish.errors import missing_resource, wrong_method
from baremetal_fake.redfish.exchange import ROOT, Handler

NAME = "*"
"""In a pattern, a segment that stands for a name."""


class Route(NamedTuple):
    """The methods of the resources at one pattern, such as ``Systems/*/Bios``, below the root."""

    pattern: str
    methods: Mapping[str, Handler]
    open: frozenset[str] = frozenset()
    """The methods that need no login."""


class Found(NamedTuple):
    """A route, and the names in the path."""

    route: Route
    names: tuple[str, ...]

    def handler(self, method: str) -> Handler:
        """The handler of *method*; HEAD is served by that of GET."""
        method = "GET" if method == "HEAD" else method
        if method not in self.route.methods:
            raise wrong_method(method, self.allowed())
        return self.route.methods[method]

    def allowed(self) -> list[str]:
        """The methods that the resource takes."""
        return [*(["HEAD"] if "GET" in self.route.methods else []), *self.route.methods]


class _Branch:
    __slots__ = ("children", "route")

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.route: Route | None = None


class Router:
    """Finds the route of a path, in a time that does not depend on how many there are.

    *versions* is what stands above the root: the versions of the protocol.
    """

    def __init__(self, routes: Iterable[Route], versions: Route) -> None:
        self._versions = versions
        self._top = _Branch()
        for route in routes:
            branch = self._top
            for segment in filter(None, route.pattern.split("/")):
                branch = branch.children.setdefault(segment, _Branch())
            branch.route = route

    def find(self, path: str) -> Found:
        """The route of *path*; RedfishError where there is none. A slash at the end makes no difference."""
        if path.rstrip("/") == ROOT.rpartition("/")[0]:
            return Found(self._versions, ())
        if path != ROOT and not path.startswith(ROOT + "/"):
            raise missing_resource(path)
        branch: _Branch | None = self._top
        names: list[str] = []
        for segment in path[len(ROOT) :].strip("/").split("/"):
            if not segment or branch is None:
                break
            known = branch.children.get(segment)
            if known is None:
                names.append(segment)
                known = branch.children.get(NAME)
            branch = known
        if branch is None or branch.route is None:
            raise missing_resource(path)
        return Found(branch.route, tuple(names))
