"""``/``, ``/v1`` and health: what clients look at first, and what watches the service."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from webob import Response

from baremetal_interfaces import BareMetalError, Busy
from baremetal_sdk.api.framework.microversions import MAXIMUM, MINIMUM, format_version
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, RouteTable, path_not_found, route, split_path
from baremetal_sdk.api.framework.schemas import schema_of
from baremetal_sdk.api.framework.views import Link, links

_POLICY = "public_api"


class Version(TypedDict):
    """A version of the API, with the microversions that are served."""

    id: str
    status: str
    min_version: str
    version: str
    links: list[Link]


class Resources(TypedDict):
    """What version 1 of the API has, besides links to its resources."""

    id: str
    links: list[Link]
    media_types: dict[str, str]
    version: Version


class Root(TypedDict):
    """Which versions of the API there are."""

    name: str
    description: str
    default_version: Version
    versions: list[Version]


class Alive(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class Ready(TypedDict):
    """The process can work."""

    status: Literal["ready"]


_RESOURCES = {**schema_of(Resources), "additionalProperties": schema_of(list[Link])}


class DiscoveryResource:
    """The version document, made from the registry: a resource is named as soon as it has a route."""

    def __init__(self, registry: RouteTable) -> None:
        self._registry = registry

    @route("GET", "/", policy=_POLICY, visibility=PUBLIC)
    def root(self, request: APIRequest) -> Root:
        """Tell which versions of the API there are."""
        return {
            "name": "Bare Metal API",
            "description": "Provisioning and management of bare-metal machines.",
            "default_version": _version(request),
            "versions": [_version(request)],
        }

    @route("GET", "/v1", policy=_POLICY, visibility=PUBLIC, response=_RESOURCES)
    def v1(self, request: APIRequest) -> dict[str, Any]:
        """Tell which resources version 1 of the API has."""
        return {
            "id": "v1",
            "links": _version(request)["links"],
            "media_types": {"base": "application/json", "type": "application/vnd.openstack.ironic.v1+json"},
            "version": _version(request),
            **{name: links(request.base, f"{name}/") for name in self._resources(request.minor)},
        }

    def _resources(self, minor: int) -> list[str]:
        paths = (split_path(route.path) for route in self._registry.routes() if route.since <= minor)
        return sorted({path[1] for path in paths if len(path) > 1 and path[0] == "v1"})


class HealthResource:
    """Whether the process answers, and whether it can work."""

    @route("GET", "/healthz", policy=_POLICY, visibility=PUBLIC)
    def alive(self, request: APIRequest) -> Alive:
        """Answer: the process is alive."""
        return {"status": "ok"}

    @route("GET", "/healthcheck", policy=_POLICY, visibility=PUBLIC, content_type="text/plain", response={"const": "OK"})
    def check(self, request: APIRequest) -> Response:
        """Answer as Ironic's health check does, where it is enabled."""
        if not request.backend.config.healthcheck.enabled:
            raise path_not_found(["healthcheck"])
        return Response(body=b"OK", content_type="text/plain", charset="utf-8")

    @route("GET", "/readyz", policy=_POLICY, visibility=PUBLIC)
    def ready(self, request: APIRequest) -> Ready:
        """Tell whether requests can be served; if not, which part cannot."""
        if not request.backend.ready:
            raise Busy("conductor: the service is starting or stopping; try again", retry_after=1.0)
        try:
            request.backend.store.conductors()
        except BareMetalError as exc:
            raise Busy(f"store: {exc.message}", retry_after=5.0) from exc
        return {"status": "ready"}


def _version(request: APIRequest) -> Version:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": format_version(MINIMUM),
        "version": format_version(MAXIMUM),
        "links": [{"href": f"{request.base}/v1/", "rel": "self"}],
    }
